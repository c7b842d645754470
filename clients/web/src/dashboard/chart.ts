// A line over time, drawn by uPlot in the colours of the page. Knows numbers and times, not where they come from.

import uPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'

/** How much time the chart shows, in seconds. */
const WINDOW_S = 300
/** Most points that are kept. */
const POINTS = 3_000

export class Chart {
  readonly #place: HTMLElement
  readonly #name: string
  #times: number[] = []
  #values: number[] = []
  #plot: uPlot

  constructor(place: HTMLElement, name: string) {
    this.#place = place
    this.#name = name
    this.#plot = this.#make()
    new ResizeObserver(() => this.#plot.setSize(sizeOf(place))).observe(place)
    // The colours are drawn and not styled: another scheme needs another drawing.
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
      this.#plot.destroy()
      this.#plot = this.#make()
    })
  }

  /** A value at a time in milliseconds. Times only go forward. */
  add(timeMs: number, value: number): void {
    const time = Math.max(timeMs / 1_000, this.#times.at(-1) ?? 0)
    this.#times.push(time)
    this.#values.push(value)
    const keep = this.#times.findIndex((one) => one > time - WINDOW_S)
    const drop = Math.max(keep, this.#times.length - POINTS)
    if (drop <= 0) return
    this.#times.splice(0, drop)
    this.#values.splice(0, drop)
  }

  draw(): void {
    this.#plot.setData([this.#times, this.#values])
  }

  #make(): uPlot {
    const style = getComputedStyle(this.#place)
    const color = (name: string): string => resolved(this.#place, `var(${name})`)
    const [accent, quiet, line] = [color('--accent-text'), color('--quiet'), color('--line')]
    const font = `11px ${style.fontFamily}`
    return new uPlot(
      {
        ...sizeOf(this.#place),
        padding: [10, 24, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 7 } },
        scales: { x: { time: true, range: () => span(this.#times[0], this.#times.at(-1)) }, y: { range: (_, min, max) => room(min, max) } },
        series: [
          {},
          { label: this.#name, stroke: accent, width: 2, fill: faded(accent), points: { size: 5, fill: accent, stroke: accent }, paths: uPlot.paths.linear?.() ?? null },
        ],
        axes: [
          { stroke: quiet, font, size: 26, space: 80, grid: { show: false }, ticks: { show: false }, values: (_, times) => times.map(clock) },
          { stroke: quiet, font, size: 48, space: 28, grid: { stroke: line, width: 1 }, ticks: { show: false }, border: { show: false } },
        ],
      } as uPlot.Options,
      [this.#times, this.#values],
      this.#place,
    )
  }
}

/** The style sheet says how large; a page that is not laid out yet has no size. */
function sizeOf({ clientWidth, clientHeight }: HTMLElement): { width: number; height: number } {
  return { width: clientWidth || 320, height: clientHeight || 150 }
}

/** The time of day; seconds because the window is short. */
function clock(seconds: number): string {
  return new Date(seconds * 1_000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' })
}

/** At least half a minute, so that the first points do not fill the whole width. */
function span(first: number | undefined, last: number | undefined): [number, number] {
  const end = last ?? Date.now() / 1_000
  return [Math.min(first ?? end, end - 30), end]
}

/** A tenth of room above and below; a flat line stands in the middle. */
function room(min: number | null, max: number | null): [number, number] {
  if (min === null || max === null) return [0, 1]
  const margin = (max - min || Math.abs(max) || 1) * 0.1
  return [min >= 0 ? Math.max(0, min - margin) : min - margin, max + margin]
}

/** A colour of the style sheet as the canvas understands it. */
function resolved(place: HTMLElement, value: string): string {
  const probe = document.createElement('span')
  probe.style.color = value
  place.append(probe)
  const { color } = getComputedStyle(probe)
  probe.remove()
  return color
}

function faded(color: string): string {
  return `color-mix(in srgb, ${color} 14%, transparent)`
}
