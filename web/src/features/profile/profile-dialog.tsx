import { formErrors, textOf } from '@/shared/api/form'
import type { User } from '@/shared/api/types'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { Field, FormError } from '@/shared/ui/field'
import { useUpdateMe } from './api/update-me'

interface Props {
  me: User
  open: boolean
  onOpenChange(open: boolean): void
}

export function ProfileDialog({ me, open, onOpenChange }: Props) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="Your profile" description={`Signed in as ${me.user_name}`}>
      <ProfileForm me={me} onDone={() => onOpenChange(false)} />
    </Dialog>
  )
}

function ProfileForm({ me, onDone }: { me: User; onDone(): void }) {
  const update = useUpdateMe()
  const errors = formErrors(update.error, ['display_name', 'status_text'])
  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        const data = new FormData(event.currentTarget)
        const change = {
          display_name: textOf(data, 'display_name').trim(),
          status_text: textOf(data, 'status_text').trim(),
        }
        update.mutate(change, { onSuccess: onDone })
      }}
    >
      <FormError text={errors.form} />
      <Field
        label="Display name"
        name="display_name"
        autoFocus
        defaultValue={me.display_name}
        autoComplete="name"
        error={errors.fields.display_name}
      />
      <Field
        label="Status"
        name="status_text"
        defaultValue={me.status_text ?? ''}
        hint="What you are up to, for everybody in your rooms."
        error={errors.fields.status_text}
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" busy={update.isPending}>
          Save
        </Button>
      </div>
    </form>
  )
}
