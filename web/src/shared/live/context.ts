import { createContext, useContext } from 'react'
import { useStore } from 'zustand'
import type { ConnectionState } from '../socket/client'
import type { Live } from './live'

export const LiveContext = createContext<Live | null>(null)

export function useLive(): Live {
  const live = useContext(LiveContext)
  if (!live) throw new Error('useLive outside of a signed-in page')
  return live
}

export function useConnection<T>(select: (state: ConnectionState) => T): T {
  return useStore(useLive().connection, select)
}

export const useLink = () => useStore(useLive().link)
export const usePeople = () => useStore(useLive().people, (state) => state.users)
export const usePerson = (id: string | null | undefined) =>
  useStore(useLive().people, (state) => (id ? state.users[id] : undefined))
export const useActivity = () => useStore(useLive().activity, (state) => state.rooms)
export const usePresence = (room: string) => useStore(useLive().presence, (state) => state.rooms[room])
export const useReads = () => useStore(useLive().reads, (state) => state.rooms)
export const useRoomReads = (room: string) => useStore(useLive().reads, (state) => state.rooms[room])
export const useTimeline = (room: string) => useStore(useLive().timelines, (state) => state.rooms[room])
export const useIsGone = (room: string) => useStore(useLive().timelines, (state) => state.gone[room] === true)
export const useOutbox = () => useStore(useLive().outbox, (state) => state.entries)
