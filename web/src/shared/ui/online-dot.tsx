/** Decoration: what it means stands beside it in words. */
export function OnlineDot() {
  return <span aria-hidden="true" className="inline-block size-2 shrink-0 rounded-full bg-online" />
}
