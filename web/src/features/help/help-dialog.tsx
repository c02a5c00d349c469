import { Dialog } from '@/shared/ui/dialog'

const isMac = /Mac|iPhone|iPad/.test(navigator.platform)
const mod = isMac ? '⌘' : 'Ctrl'
const alt = isMac ? '⌥' : 'Alt'

const groups: readonly (readonly [string, readonly (readonly [string, readonly string[]])[]])[] = [
  [
    'Rooms',
    [
      ['Go to a room', [mod, 'K']],
      ['Room above, below', [alt, '↑ ↓']],
      ['Unread room above, below', [alt, 'Shift', '↑ ↓']],
      ['Next part of the window', ['F6']],
    ],
  ],
  [
    'Reading',
    [
      ['Mark the room as read', ['Esc']],
      ['Go to the oldest unread message', ['Shift', 'Page Up']],
      ['From message to message', ['↑ ↓']],
      ['Mark unread from this message', ['U']],
    ],
  ],
  [
    'Writing',
    [
      ['Send', ['Enter']],
      ['New line', ['Shift', 'Enter']],
    ],
  ],
  [
    'Help',
    [
      ['This list', [mod, '/']],
      ['Connection details', ['Ctrl', 'Shift', '.']],
    ],
  ],
]

export function HelpDialog({ onClose }: { onClose(): void }) {
  return (
    <Dialog open onOpenChange={(open) => !open && onClose()} title="Keyboard shortcuts">
      <div className="flex flex-col gap-4">
        {groups.map(([title, keys]) => (
          <section key={title}>
            <h3 className="pb-1 text-xs font-semibold text-soft">{title}</h3>
            <dl>
              {keys.map(([what, strokes]) => (
                <div key={what} className="flex items-center justify-between gap-4 py-1 text-sm">
                  <dt>{what}</dt>
                  <dd className="flex shrink-0 gap-1">
                    {strokes.map((stroke) => (
                      <kbd
                        key={stroke}
                        className="min-w-6 rounded border border-line bg-page px-1.5 text-center font-sans text-xs leading-5 text-soft"
                      >
                        {stroke}
                      </kbd>
                    ))}
                  </dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </Dialog>
  )
}
