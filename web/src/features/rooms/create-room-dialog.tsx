import { useNavigate } from '@tanstack/react-router'
import { formErrors, textOf } from '@/shared/api/form'
import { Button } from '@/shared/ui/button'
import { Dialog } from '@/shared/ui/dialog'
import { Field, FormError } from '@/shared/ui/field'
import { useCreateRoom } from './api/create-room'

interface Props {
  open: boolean
  onOpenChange(open: boolean): void
}

export function CreateRoomDialog({ open, onOpenChange }: Props) {
  return (
    <Dialog open={open} onOpenChange={onOpenChange} title="New room">
      <CreateRoomForm onDone={() => onOpenChange(false)} />
    </Dialog>
  )
}

function CreateRoomForm({ onDone }: { onDone(): void }) {
  const create = useCreateRoom()
  const navigate = useNavigate()
  const errors = formErrors(create.error, ['name', 'topic'])

  function submit(data: FormData) {
    const topic = textOf(data, 'topic').trim()
    const visibility = data.get('visibility') === 'private' ? 'private' : 'public'
    create.mutate(
      { name: textOf(data, 'name').trim(), visibility, ...(topic && { topic }) },
      {
        onSuccess: (room) => {
          onDone()
          void navigate({ to: '/rooms/$roomId', params: { roomId: room.id } })
        },
      },
    )
  }

  return (
    <form
      className="flex flex-col gap-4"
      onSubmit={(event) => {
        event.preventDefault()
        submit(new FormData(event.currentTarget))
      }}
    >
      <FormError text={errors.form} />
      <Field label="Name" name="name" required autoFocus autoComplete="off" error={errors.fields.name} />
      <Field
        label="Topic"
        name="topic"
        autoComplete="off"
        hint="Optional. What the room is for."
        error={errors.fields.topic}
      />
      <VisibilityChoice />
      <div className="mt-2 flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          Cancel
        </Button>
        <Button type="submit" busy={create.isPending}>
          Create room
        </Button>
      </div>
    </form>
  )
}

const choices = [
  { value: 'public', title: 'Public', text: 'Everybody can find and join it.' },
  { value: 'private', title: 'Private', text: 'Nobody else can see that it exists.' },
]

function VisibilityChoice() {
  return (
    <fieldset>
      <legend className="mb-1.5 text-sm font-semibold">Who can join</legend>
      <div className="grid gap-2 sm:grid-cols-2">
        {choices.map((choice) => (
          <label
            key={choice.value}
            className="flex cursor-pointer items-start gap-2.5 rounded-lg border border-line p-3 has-checked:border-accent has-checked:bg-selected"
          >
            <input
              type="radio"
              name="visibility"
              value={choice.value}
              defaultChecked={choice.value === 'public'}
              className="mt-0.5 size-4 accent-accent"
            />
            <span>
              <span className="block text-sm font-semibold">{choice.title}</span>
              <span className="block text-xs text-soft">{choice.text}</span>
            </span>
          </label>
        ))}
      </div>
    </fieldset>
  )
}
