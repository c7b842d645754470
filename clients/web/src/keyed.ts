// Lists on the page: touches only what has changed, and the focus stays where it was.

/** A line of a list. */
export interface Line {
  id: string
  /** What it shows: it is made anew exactly when one of these is another. */
  shows: readonly unknown[]
  make(): HTMLElement
}

const FOCUSABLE = 'a, button, input, [tabindex]'

export const same = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one, index) => Object.is(one, b[index]))

/** Puts a new element in the place of one that showed something older; what has the focus in it keeps it. */
export function swap(old: HTMLElement, make: () => HTMLElement): HTMLElement {
  const active = document.activeElement as HTMLElement | null
  const held = active !== null && old.contains(active)
  const index = held ? [...old.querySelectorAll(FOCUSABLE)].indexOf(active) : -1
  const fresh = make()
  old.replaceWith(fresh)
  if (!held) return fresh
  // What had the focus may have moved over into the new one; else its counterpart gets it.
  const next = fresh.contains(active) ? active : index < 0 ? fresh : fresh.querySelectorAll<HTMLElement>(FOCUSABLE)[index]
  next?.focus({ preventScroll: true })
  return fresh
}

/** Puts an element before another. What has the focus in it keeps it: moving it would take that away. */
export function place(parent: HTMLElement, element: HTMLElement, before: ChildNode | null): void {
  const active = document.activeElement as HTMLElement | null
  const held = active !== null && element.contains(active)
  parent.insertBefore(element, before)
  if (held) active.focus({ preventScroll: true })
}

/** The elements of lines by their ids. */
export class Drawn {
  readonly #lines = new Map<string, { shows: readonly unknown[]; element: HTMLElement }>()

  at(id: string): HTMLElement | undefined {
    return this.#lines.get(id)?.element
  }

  /** The line that an element is in. */
  holding(element: Element): string | undefined {
    for (const [id, line] of this.#lines) if (line.element.contains(element)) return id
    return undefined
  }

  /** Lays these lines into their parent, in this order, and takes out all others. */
  lay(parent: HTMLElement, lines: readonly Line[], laid?: (element: HTMLElement, index: number) => void): void {
    const wanted = new Set(lines.map(({ id }) => id))
    for (const [id, { element }] of this.#lines) {
      if (wanted.has(id)) continue
      element.remove()
      this.#lines.delete(id)
    }
    let before = parent.firstElementChild
    lines.forEach((line, index) => {
      const old = this.#lines.get(line.id)
      const here = old !== undefined && old.element === before
      const element = this.#made(line, old)
      if (here) before = element.nextElementSibling
      else place(parent, element, before)
      laid?.(element, index)
    })
  }

  #made(line: Line, old: { shows: readonly unknown[]; element: HTMLElement } | undefined): HTMLElement {
    if (old !== undefined && same(old.shows, line.shows)) return old.element
    const element = old === undefined ? line.make() : swap(old.element, () => line.make())
    this.#lines.set(line.id, { shows: line.shows, element })
    return element
  }
}

/** The lines of one parent that has nothing else in it. */
export class Keyed {
  readonly #parent: HTMLElement
  readonly #drawn = new Drawn()

  constructor(parent: HTMLElement) {
    this.#parent = parent
  }

  draw(lines: readonly Line[]): void {
    this.#drawn.lay(this.#parent, lines)
  }
}

/** Runs `work` once for all that calls within one turn. */
export function once(work: () => void): () => void {
  let waits = false
  return () => {
    if (waits) return
    waits = true
    queueMicrotask(() => {
      waits = false
      work()
    })
  }
}
