import { DownIcon } from '@/shared/ui/icons'

export function JumpButton({ missed, onClick }: { missed: number; onClick(): void }) {
  return (
    <button
      type="button"
      onClick={onClick}
      className="absolute right-4 bottom-3 inline-flex min-h-11 animate-rise items-center gap-2 rounded-full border border-line bg-raised px-3.5 text-sm font-semibold shadow-float hover:bg-hover md:right-6 md:min-h-9"
    >
      <DownIcon size={16} />
      {missed === 0 ? 'Jump to latest' : `${missed} new ${missed === 1 ? 'message' : 'messages'}`}
    </button>
  )
}
