import { DropdownMenu as Radix } from 'radix-ui'
import type { ReactNode } from 'react'
import { CheckIcon } from './icons'

/** Not modal and not in a portal: the page around it stays readable, and the menu stays inside its landmark. */
export function Menu({
  trigger,
  children,
  side,
  align = 'end',
}: {
  trigger: ReactNode
  children: ReactNode
  side?: 'top' | 'bottom'
  align?: 'start' | 'end'
}) {
  return (
    <Radix.Root modal={false}>
      <Radix.Trigger asChild>{trigger}</Radix.Trigger>
      <Radix.Content
        side={side}
        align={align}
        sideOffset={6}
        collisionPadding={12}
        className="z-50 min-w-56 animate-rise rounded-xl border border-line bg-raised p-1.5 shadow-float"
      >
        {children}
      </Radix.Content>
    </Radix.Root>
  )
}

const row =
  'flex min-h-11 items-center gap-2.5 rounded-lg px-2.5 text-sm outline-none select-none data-highlighted:bg-hover md:min-h-8'

interface ItemProps {
  onSelect(): void
  danger?: boolean
  /** The keys that do the same, where there is a keyboard. */
  keys?: string
  children: ReactNode
}

export function MenuItem({ onSelect, danger, keys, children }: ItemProps) {
  return (
    <Radix.Item onSelect={onSelect} className={`${row} ${danger ? 'text-danger' : ''}`}>
      {children}
      {keys ? <kbd className="ml-auto hidden pl-4 font-sans text-xs text-soft md:inline">{keys}</kbd> : null}
    </Radix.Item>
  )
}

export function MenuRadio<T extends string>(props: {
  label: string
  value: T
  options: readonly (readonly [T, string])[]
  onChange(value: T): void
}) {
  return (
    <Radix.RadioGroup value={props.value} onValueChange={(value) => props.onChange(value as T)}>
      <Radix.Label className="px-2.5 pt-1.5 pb-1 text-xs font-semibold text-soft">{props.label}</Radix.Label>
      {props.options.map(([value, text]) => (
        <Radix.RadioItem key={value} value={value} className={`${row} justify-between`}>
          {text}
          <Radix.ItemIndicator>
            <CheckIcon size={16} />
          </Radix.ItemIndicator>
        </Radix.RadioItem>
      ))}
    </Radix.RadioGroup>
  )
}

export const MenuLine = () => <Radix.Separator className="mx-1 my-1.5 h-px bg-line" />
