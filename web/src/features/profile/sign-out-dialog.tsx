import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'

interface Props {
  unsent: number
  open: boolean
  onOpenChange(open: boolean): void
  onConfirm(): void
}

/** Only where signing out would lose something. */
export function SignOutDialog({ unsent, open, onOpenChange, onConfirm }: Props) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Sign out and discard?">
      <p className="text-soft">
        {unsent === 1 ? 'One message has' : `${unsent} messages have`} not been sent yet. Signing out discards{' '}
        {unsent === 1 ? 'it' : 'them'} on this device.
      </p>
      <div className="mt-6 flex justify-end gap-2">
        <Button look="quiet" autoFocus onClick={() => onOpenChange(false)}>
          Stay
        </Button>
        <Button look="danger" onClick={onConfirm}>
          Discard and sign out
        </Button>
      </div>
    </Dialog>
  )
}
