// The list of messages on the page: only what is in view is there, and the reader's place stays. Knows lines and the
// virtual list, nothing of messages.

import { defaultRangeExtractor, elementScroll, observeElementOffset, observeElementRect, Virtualizer } from '@tanstack/virtual-core'
import { make } from '../../dom.js'
import { Drawn, type Line } from '../../keyed.js'

export interface FeedLine extends Line {
  /** A guess of its height in pixels, until it is measured; the first one counts. */
  height: number
}

/** Which lines can be seen now (-1 for none), and whether the end is among them. */
export interface Seen {
  first: number
  last: number
  atEnd: boolean
}

/** Lines above and below the view that are on the page already. */
const OVERSCAN = 8
/** Within which the reader is at the end and stays there, in pixels. */
const NEAR_PX = 60
/** Most rounds of laying out and measuring in one go; what is left comes with the next frame. */
const ROUNDS = 5
const TOP_PX = 8
const BOTTOM_PX = 10

export class Feed {
  readonly element: HTMLElement
  readonly #sizer = make('div', { class: 'sizer', testid: 'message-list' })
  readonly #drawn = new Drawn()
  readonly #list: Virtualizer<HTMLElement, HTMLElement>
  readonly #unmount: () => void
  #lines: readonly FeedLine[] = []
  /** The guesses by line: one that turned out right is not noted as measured, so it must not change either. */
  #heights = new Map<string, number>()
  /** Whether the reader stays at the end when lines come: they were there when they last moved, and are not being led away. */
  #follows = false
  readonly #resized: ResizeObserver
  #rendering = false
  #stale = false
  /** The line with the focus: it stays on the page, wherever one scrolls. */
  #active: string | undefined

  /** `seen` is told with each draw and scroll. */
  constructor(label: string, seen: (seen: Seen) => void) {
    this.element = make('div', { class: 'feed', testid: 'feed', label, is: { role: 'feed', tabindex: '0' } }, this.#sizer)
    this.#list = new Virtualizer(this.#options())
    // A line that begins above the view and grows or shrinks must not move what is read below it.
    this.#list.shouldAdjustScrollPositionOnItemSizeChange = ({ start }, _, { scrollOffset }) => start < (scrollOffset ?? 0)
    this.#unmount = this.#list._didMount()
    // A phone that shows its keyboard must not cover the last line.
    this.#resized = new ResizeObserver(() => {
      if (this.#follows) this.toEnd()
      seen(this.seen)
    })
    this.#resized.observe(this.element)
    // Once a frame, behind the virtual list's own listener: what it knows is then of the same place.
    let waits = false
    this.element.addEventListener('scroll', () => {
      if (waits) return
      waits = true
      requestAnimationFrame(() => {
        waits = false
        const now = this.seen
        this.#follows = now.atEnd
        seen(now)
      })
    }, { passive: true })
    this.element.addEventListener('keydown', (event) => this.#key(event))
    this.element.addEventListener('focusin', (event) => (this.#active = this.#drawn.holding(event.target as Element)))
    this.element.addEventListener('focusout', () => (this.#active = undefined))
  }

  draw(lines: readonly FeedLine[]): void {
    this.#lines = lines
    this.#heights = new Map(lines.map(({ id, height }) => [id, this.#heights.get(id) ?? height]))
    this.#list.setOptions(this.#options())
    // The height comes before the place: a list that is not yet as long can not be scrolled that far.
    this.#render()
    this.#list._willUpdate()
  }

  close(): void {
    this.#resized.disconnect()
    this.#unmount()
    this.element.remove()
  }

  get seen(): Seen {
    // As the element says: the virtual list knows of its own scrolling only with the next frame.
    const { scrollTop: top, clientHeight, scrollHeight } = this.element
    const bottom = top + clientHeight
    const inView = this.#list.getVirtualItems().filter(({ start, end }) => end > top && start < bottom)
    return { first: inView[0]?.index ?? -1, last: inView.at(-1)?.index ?? -1, atEnd: scrollHeight - bottom <= NEAR_PX }
  }

  toEnd(): void {
    this.#follows = true
    this.#list.scrollToEnd()
  }

  /** Brings a line into view; false when there is none such. */
  show(id: string, align: 'start' | 'center' = 'center'): boolean {
    const index = this.#indexOf(id)
    if (index < 0) return false
    this.#lead(index, align)
    return true
  }

  /** The element of a line, when it is on the page. */
  at(id: string): HTMLElement | undefined {
    return this.#drawn.at(id)
  }

  /** Puts the focus on a line. */
  focus(id: string): void {
    const index = this.#indexOf(id)
    if (index < 0) return
    this.#active = id
    this.#list.setOptions(this.#options())
    this.#render()
    this.at(id)?.focus({ preventScroll: true })
    this.#lead(index, 'auto')
  }

  /** Whoever is led away from the end does not follow it any more, from now on and not from the next frame on. */
  #lead(index: number, align: 'start' | 'center' | 'auto'): void {
    const { scrollHeight, clientHeight } = this.element
    const [to = 0] = this.#list.getOffsetForIndex(index, align) ?? []
    if (scrollHeight - clientHeight - to > NEAR_PX) this.#follows = false
    this.#list.scrollToIndex(index, { align })
  }

  #indexOf(id: string): number {
    return this.#lines.findIndex((line) => line.id === id)
  }

  #options(): ConstructorParameters<typeof Virtualizer<HTMLElement, HTMLElement>>[0] {
    const lines = this.#lines
    return {
      count: lines.length,
      getScrollElement: () => this.element,
      estimateSize: (index) => this.#heights.get(lines[index]?.id ?? '') ?? 0,
      getItemKey: (index) => lines[index]?.id ?? index,
      scrollToFn: elementScroll,
      observeElementRect,
      observeElementOffset,
      onChange: () => this.#render(),
      overscan: OVERSCAN,
      paddingStart: TOP_PX,
      paddingEnd: BOTTOM_PX,
      // Whoever reads keeps their place while lines come above; whoever is at the end stays there.
      anchorTo: 'end',
      followOnAppend: this.#follows,
      scrollEndThreshold: NEAR_PX,
      rangeExtractor: (range) => {
        const indexes = defaultRangeExtractor(range)
        const active = this.#active === undefined ? -1 : this.#indexOf(this.#active)
        return active < 0 || indexes.includes(active) ? indexes : [...indexes, active].sort((a, b) => a - b)
      },
    }
  }

  /** Lays out what is in view. Measuring it may tell at once that more, or less, is: then again, a bounded number of times. */
  #render(): void {
    this.#stale = true
    if (this.#rendering) return
    this.#rendering = true
    for (let round = 0; this.#stale && round < ROUNDS; round++) {
      this.#stale = false
      this.#lay()
    }
    this.#rendering = false
  }

  #lay(): void {
    const items = this.#list.getVirtualItems().filter(({ index }) => index < this.#lines.length)
    const height = `${this.#list.getTotalSize()}px`
    if (this.#sizer.style.height !== height) this.#sizer.style.height = height
    const laid: HTMLElement[] = []
    this.#drawn.lay(this.#sizer, items.map(({ index }) => this.#lines[index] as FeedLine), (element, at) => {
      const { index, start } = items[at] ?? { index: 0, start: 0 }
      element.dataset.index = String(index)
      element.style.transform = `translateY(${start}px)`
      laid.push(element)
    })
    for (const element of laid) this.#list.measureElement(element)
    // Lets go of those that are no longer on the page.
    this.#list.measureElement(null)
  }

  /** Up and down go from line to line; from the list itself, to the last one in view. */
  #key(event: KeyboardEvent): void {
    const target = event.target as HTMLElement
    const onLine = target.parentElement === this.#sizer
    if (event.altKey || event.ctrlKey || event.metaKey || !(onLine || target === this.element)) return
    const at = onLine ? Number(target.dataset.index) : -1
    const end = this.#lines.length - 1
    const wanted = onLine
      ? { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: end }[event.key]
      : { ArrowUp: this.#lastWhole(), ArrowDown: this.#lastWhole() }[event.key]
    if (wanted === undefined) return
    event.preventDefault()
    const line = this.#lines[Math.min(end, Math.max(0, wanted))]
    if (line !== undefined) this.focus(line.id)
  }

  #lastWhole(): number {
    const bottom = this.element.scrollTop + this.element.clientHeight
    return this.#list.getVirtualItems().findLast(({ end }) => end <= bottom)?.index ?? this.#lines.length - 1
  }
}
