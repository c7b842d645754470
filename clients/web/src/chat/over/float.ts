// Something small that floats beside what it belongs to, and goes with Escape or a click elsewhere.

const GAP_PX = 4
const EDGE_PX = 8

/** Shows `element` beside `anchor`; the focus goes back there when it closes. Answers how to close it. */
export function float(element: HTMLElement, anchor: HTMLElement): () => void {
  const back = document.activeElement as HTMLElement | null
  element.popover = 'auto'
  document.body.append(element)
  element.addEventListener('toggle', (event) => {
    if ((event as ToggleEvent).newState !== 'closed') return
    const within = element.contains(document.activeElement) || document.activeElement === document.body
    element.remove()
    anchor.removeAttribute('aria-expanded')
    if (within) (anchor.isConnected ? anchor : back)?.focus({ preventScroll: true })
  })
  element.showPopover()
  anchor.setAttribute('aria-expanded', 'true')
  put(element, anchor.getBoundingClientRect())
  return () => element.isConnected && element.hidePopover()
}

/** Below the anchor where there is room, else above; never outside of the window. */
function put(element: HTMLElement, anchor: DOMRect): void {
  const { width, height } = element.getBoundingClientRect()
  const below = anchor.bottom + GAP_PX + height <= innerHeight - EDGE_PX
  const top = below ? anchor.bottom + GAP_PX : Math.max(EDGE_PX, anchor.top - GAP_PX - height)
  const left = anchor.left + width <= innerWidth - EDGE_PX ? anchor.left : anchor.right - width
  element.style.top = `${top}px`
  element.style.left = `${Math.min(Math.max(EDGE_PX, left), Math.max(EDGE_PX, innerWidth - EDGE_PX - width))}px`
}
