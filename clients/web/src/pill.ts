// Shows how a connection stands, in a word that a person understands.

/** What a Hub or a Stream says, in one vocabulary. */
export interface Standing {
  state: 'idle' | 'connecting' | 'connected' | 'open' | 'waiting' | 'closed'
  /** Why it waits or is closed. */
  error: Error | null
  /** Whether there was a connection before. */
  before: boolean
}

type Shown = 'connecting' | 'connected' | 'reconnecting' | 'offline' | 'closed'

const WORDS: Record<Shown, string> = {
  connecting: 'Connecting…', connected: 'Connected', reconnecting: 'Reconnecting…', offline: 'Offline', closed: 'Disconnected',
}

/** What to show for a standing. */
export function shownOf({ state, before }: Standing, online: boolean): Shown {
  if (state === 'connected' || state === 'open') return 'connected'
  if (state === 'closed') return 'closed'
  if (!online) return 'offline'
  return state === 'waiting' || before ? 'reconnecting' : 'connecting'
}

/** Keeps `element` in step; call the answer on each change. */
export function pill(element: HTMLElement): (standing: Standing) => void {
  let last: Standing = { state: 'idle', error: null, before: false }
  const show = (): void => {
    const shown = shownOf(last, navigator.onLine)
    if (element.dataset.state !== shown) element.textContent = WORDS[shown]
    element.dataset.state = shown
    element.title = shown === 'connected' ? '' : (last.error?.message ?? '')
  }
  window.addEventListener('online', show)
  window.addEventListener('offline', show)
  show()
  return (standing) => {
    last = standing
    show()
  }
}
