import { expect, test } from 'vitest'
import { createPresence } from './presence'

const frame = (online: number, users?: string[]) => ({ type: 'presence', room: 'r', online, users }) as const

test('the newest word on a room counts, and who is online where they are named', () => {
  const { store, told } = createPresence()
  told(frame(2, ['ada', 'bo']))
  told(frame(1, ['ada']))
  expect(store.getState().rooms.r).toEqual({ online: 1, users: new Set(['ada']) })
  told(frame(2_000))
  expect(store.getState().rooms.r).toEqual({ online: 2_000, users: null })
})

test('where nobody can say and without a connection nothing is shown', () => {
  const { store, told, forget } = createPresence()
  told(frame(2))
  told(frame(0))
  expect(store.getState().rooms).toEqual({})
  told(frame(2))
  forget()
  expect(store.getState().rooms).toEqual({})
})
