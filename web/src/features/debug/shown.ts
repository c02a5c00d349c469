import { useEffect } from 'react'
import { createStore, useStore } from 'zustand'

const KEY = 'parley.debug'

/** Outlives a reload: whoever looks for a fault reloads often. */
const store = createStore(() => ({ shown: kept() }))

function kept(): boolean {
  try {
    return sessionStorage.getItem(KEY) === 'shown'
  } catch {
    return false
  }
}

export function toggleDebugPanel(): void {
  const shown = !store.getState().shown
  store.setState({ shown })
  try {
    if (shown) sessionStorage.setItem(KEY, 'shown')
    else sessionStorage.removeItem(KEY)
  } catch {
    // It is then gone after a reload.
  }
}

export const useDebugPanelShown = () => useStore(store, (state) => state.shown)

/** By the key's place: with Shift some keyboards write another character there. */
export function useDebugPanelKey(): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.code !== 'Period' || !event.shiftKey || event.altKey || !(event.ctrlKey || event.metaKey)) return
      event.preventDefault()
      if (!event.repeat) toggleDebugPanel()
    }
    window.addEventListener('keydown', onKeyDown)
    return () => window.removeEventListener('keydown', onKeyDown)
  }, [])
}
