// One tile: the last value of a channel, its line over time, and how honestly it was delivered.

import type { Gap, Message, SubscriptionResult } from '@hubbub/client'
import { make } from '../dom.js'
import { Chart } from './chart.js'
import { Rate } from './rate.js'
import { numberOf, shortly } from './value.js'

export class Tile {
  readonly element: HTMLElement
  readonly #value = make('span', { class: 'value', testid: 'tile-value' })
  readonly #change = make('span', { class: 'change' })
  readonly #begin = make('dd', { testid: 'tile-outcome', text: 'not yet' })
  readonly #skipped = make('dd', { testid: 'tile-skipped', text: '0' })
  readonly #speed = make('dd', { testid: 'tile-rate', text: '0' })
  readonly #place = make('div', { class: 'chart' })
  readonly #rate = new Rate()
  #chart: Chart | undefined
  #last: number | undefined
  #previous: number | undefined
  #skips = 0
  #dirty = false

  constructor(channel: string, title: string, description: string) {
    this.#place.setAttribute('aria-hidden', 'true')
    const fact = (name: string, value: HTMLElement, wide = false): HTMLElement =>
      make('div', wide ? { class: 'wide' } : {}, make('dt', { text: name }), value)
    this.element = make('article', { class: 'card tile', testid: 'tile', data: { channel } },
      make('h2', { text: title }, make('small', { text: description })),
      make('div', { class: 'figure' }, this.#value, this.#change),
      this.#place,
      make('dl', { class: 'facts' },
        fact('Stream began', this.#begin, true), fact('Skipped', this.#skipped), fact('Messages/s', this.#speed)))
    this.element.setAttribute('aria-label', title)
  }

  /** Whether a value has come. */
  get hasValue(): boolean {
    return this.#last !== undefined
  }

  /** Where the stream of this channel began. */
  open(result: SubscriptionResult): void {
    this.#begin.dataset.outcome = result.outcome ?? 'error'
    this.#begin.textContent = describe(result)
  }

  message(message: Message): void {
    this.#rate.count()
    const value = numberOf(message.data)
    if (value === undefined) return
    this.#chart ??= new Chart(this.#place, this.element.ariaLabel ?? '')
    this.#chart.add(message.time, value)
    this.#previous = this.#last
    this.#last = value
    this.#dirty = true
  }

  skipped(count: number): void {
    this.#skips += count
    this.#skipped.textContent = String(this.#skips)
  }

  gap(gap: Gap): void {
    this.#begin.dataset.outcome = 'gap'
    this.#begin.textContent = `messages ${gap.from} to ${gap.to} are missing (${gap.reason})`
  }

  /** Draws what has come since the last time. */
  draw(): void {
    this.#speed.textContent = shortly(this.#rate.perSecond())
    if (!this.#dirty || this.#last === undefined) return
    this.#dirty = false
    this.#value.textContent = shortly(this.#last)
    const change = this.#previous === undefined ? 0 : this.#last - this.#previous
    this.#change.dataset.way = change > 0 ? 'up' : change < 0 ? 'down' : 'same'
    this.#change.textContent = change === 0 ? '' : `${change > 0 ? '▲' : '▼'} ${shortly(Math.abs(change))}`
    this.#chart?.draw()
  }
}

function describe(result: SubscriptionResult): string {
  if (result.outcome === undefined) return `not at all: ${result.error}`
  if (result.outcome === 'gap') return `behind a gap: ${result.from} to ${result.to} are missing (${result.reason})`
  if (result.outcome === 'continued') {
    return result.to < result.from ? `continued at ${result.from - 1}, nothing missed` : `continued with ${result.from} to ${result.to}`
  }
  if (result.offset === undefined || result.offset === 0) return 'fresh, at the first message'
  return result.from === undefined ? `fresh, behind message ${result.offset}` : `fresh, with message ${result.from}`
}
