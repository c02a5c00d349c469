import { useInfiniteQuery } from '@tanstack/react-query'
import { useDeferredValue, useState } from 'react'
import { sentenceOf } from '@/shared/api/problem'
import { inputClass } from '@/shared/ui/field'
import { SearchIcon } from '@/shared/ui/icons'
import { ListEnd } from '@/shared/ui/list-end'
import { PaneHeader } from '@/shared/ui/pane-header'
import { Failed, Notice, Skeleton } from '@/shared/ui/states'
import { directoryQuery } from './api/directory'
import { DirectoryRow } from './directory-row'
import { useSettled } from './use-settled'

export function Directory() {
  const [text, setText] = useState('')
  const q = useSettled(useDeferredValue(text.trim()))
  return (
    <section aria-labelledby="directory-title" className="flex h-full flex-col">
      <PaneHeader>
        <h1 id="directory-title" className="font-semibold">
          Browse rooms
        </h1>
      </PaneHeader>
      <div className="scroll-quiet min-h-0 flex-1 overflow-y-auto">
        <div className="mx-auto max-w-[720px] px-4 py-5 md:px-6">
          <div className="relative">
            <SearchIcon className="pointer-events-none absolute top-1/2 left-3 -translate-y-1/2 text-soft" />
            <input
              type="search"
              aria-label="Search public rooms"
              placeholder="Search by name or topic"
              value={text}
              onChange={(event) => setText(event.target.value)}
              className={`${inputClass} pl-10`}
            />
          </div>
          <Results q={q} />
        </div>
      </div>
    </section>
  )
}

function Results({ q }: { q: string }) {
  const found = useInfiniteQuery(directoryQuery(q))
  if (found.isPending) return <Skeleton rows={5} label="Loading rooms" />
  if (found.isLoadingError) {
    return (
      <Failed what="The directory did not load" why={sentenceOf(found.error)} onRetry={() => void found.refetch()} />
    )
  }
  return (
    <>
      {found.data.length === 0 ? (
        <Nothing q={q} />
      ) : (
        <ul className="mt-4 divide-y divide-line border-y border-line" aria-busy={found.isPlaceholderData}>
          {found.data.map((room) => (
            <DirectoryRow key={room.id} room={room} />
          ))}
        </ul>
      )}
      <ListEnd of={found} more="Show more rooms" />
    </>
  )
}

function Nothing({ q }: { q: string }) {
  return q ? (
    <Notice title="No room matches">Nothing public has “{q}” in its name or topic.</Notice>
  ) : (
    <Notice title="No public rooms yet">The first one is yours to make: use New room in the list of rooms.</Notice>
  )
}
