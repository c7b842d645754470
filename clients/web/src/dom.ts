// Making and finding elements. Text is only ever set as text, never as markup.

/** The element with this id, which the page's own HTML holds. */
export function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const element = document.getElementById(id)
  if (element === null) throw new Error(`the page has no #${id}`)
  return element as E
}

interface Facts {
  class?: string
  text?: string
  testid?: string
  data?: Record<string, string>
  /** The name for those who do not see it. */
  label?: string
  /** Further attributes; undefined ones are left out. */
  is?: Record<string, string | undefined>
  click?: (event: MouseEvent) => void
}

/** A new element with a class, a text, data attributes and children. */
export function make<N extends keyof HTMLElementTagNameMap>(name: N, facts: Facts = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[N] {
  const element = document.createElement(name)
  if (facts.class !== undefined) element.className = facts.class
  if (facts.text !== undefined) element.textContent = facts.text
  if (facts.testid !== undefined) element.dataset.testid = facts.testid
  for (const [key, value] of Object.entries(facts.data ?? {})) element.dataset[key] = value
  if (facts.label !== undefined) element.setAttribute('aria-label', facts.label)
  for (const [key, value] of Object.entries(facts.is ?? {})) if (value !== undefined) element.setAttribute(key, value)
  if (facts.click !== undefined) element.addEventListener('click', facts.click as EventListener)
  element.append(...children)
  return element
}

/** A name that somebody chose: whatever direction it runs in, it does not turn what stands beside it. */
export function named(text: string, facts: Facts = {}): HTMLElement {
  return make('bdi', { ...facts, text, is: { ...facts.is, dir: 'auto' } })
}
