const lockName = (owner: string) => `parley.tab.${owner}`

/** A lock that lives as long as this tab: other tabs leave its entries alone while it is held. */
export function claimTab(owner: string): () => void {
  let release = () => {}
  if (navigator.locks) {
    void navigator.locks.request(lockName(owner), () => new Promise<void>((resolve) => (release = resolve)))
  }
  return () => release()
}

/** Without locks every leftover is taken: a retry that two tabs send still makes one message. */
export async function isAbandoned(owner: string): Promise<boolean> {
  if (!navigator.locks) return true
  return navigator.locks.request(lockName(owner), { ifAvailable: true }, (lock) => lock !== null)
}
