// The small pictures of buttons and marks, as lines that take the colour of the text.

import { make } from '../dom.js'

const PATHS = {
  public: 'M4 8h13M3 13h13M9 3 7 18M14 3l-2 15',
  private: 'M5 9.5h10v8H5zM7 9.5V6.5a3 3 0 0 1 6 0v3',
  direct: 'M10 10.5a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM3.5 18c.5-3.5 3-5 6.5-5s6 1.5 6.5 5',
  announcement: 'M3 8v4l3 .5L15.5 17V3L6 7.5zM6.5 12.7 7.5 17h2l-.8-3.3M18 8.5v3',
  menu: 'M3 5h14M3 10h14M3 15h14',
  plus: 'M10 4v12M4 10h12',
  close: 'm5 5 10 10M15 5 5 15',
  search: 'M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zm4-1.5 4 4',
  inbox: 'M3 11.5 5.5 4h9l2.5 7.5V16H3zm0 0h4.5a2.5 2.5 0 0 0 5 0H17',
  thread: 'M4 4h12v9H9l-4 3.5V13H4zM7.5 7.5h5M7.5 10h3',
  pin: 'M7 3h6l-1 5.5 3 3H5l3-3zM10 11.5V17.5',
  people: 'M7.5 9.5a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM2 16.5c.3-3.2 2.5-4.5 5.5-4.5s5.2 1.3 5.5 4.5M13 3.8a3 3 0 0 1 0 5.5M15 12.3c1.8.6 2.8 2 3 4.2',
  more: 'M3.8 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0M9.3 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0M14.8 10a.7.7 0 1 0 1.4 0 .7.7 0 1 0-1.4 0',
  smile: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM7 8h.01M13 8h.01M6.5 11.5c1.5 3 5.5 3 7 0',
  reply: 'M8 4 3 9l5 5M3 9h7c4 0 6.5 2 7 6.5',
  edit: 'M4 16l.8-3.5L13 4.2 15.8 7l-8.3 8.2zM11.5 5.7l2.8 2.8',
  copy: 'M7 7h9v10H7zM4 13V3h9',
  flag: 'M5 17.5V3M5 3.5h10l-2.5 3.5L15 10.5H5',
  trash: 'M4 5.5h12M8 5.5V3.5h4v2M5.5 5.5l.8 11.5h7.4l.8-11.5M8.5 8.5v5.5M11.5 8.5v5.5',
  eye: 'M2.5 10S5.5 5 10 5s7.5 5 7.5 5-3 5-7.5 5-7.5-5-7.5-5zM10 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4z',
  mute: 'M3 7.5v5h3l5 4v-13l-5 4zM14 8l4 4M18 8l-4 4',
  out: 'M8 3H4v14h4M8 10h9M13.5 6.5 17 10l-3.5 3.5',
  bell: 'M5 14V9a5 5 0 0 1 10 0v5l1.5 1.5h-13zM8.5 17.5h3',
  gear: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 8.2V3.8M7 16.2v-4.4',
  send: 'M3.5 10 16.5 4l-4 12.5L9.5 11zM9.5 11l7-7',
  clock: 'M10 17.5a7.5 7.5 0 1 0 0-15 7.5 7.5 0 0 0 0 15zM10 6v4.2l2.8 1.8',
  down: 'M10 4v12M5 11l5 5 5-5',
  up: 'M10 16V4M5 9l5-5 5 5',
  shield: 'M10 2.5 16 5v5c0 4-3 6.5-6 7.5-3-1-6-3.5-6-7.5V5z',
} as const

export type SignName = keyof typeof PATHS

/** A button that shows a picture alone. */
export function iconButton(name: SignName, label: string, testid: string, is: Record<string, string> = {}): HTMLButtonElement {
  return make('button', { class: 'icon', label, testid, is: { type: 'button', title: label, ...is } }, sign(name))
}

const SVG = 'http://www.w3.org/2000/svg'

export function sign(name: SignName): SVGElement {
  const svg = document.createElementNS(SVG, 'svg')
  for (const [key, value] of Object.entries({ class: 'sign', viewBox: '0 0 20 20', 'aria-hidden': 'true' })) svg.setAttribute(key, value)
  const path = document.createElementNS(SVG, 'path')
  path.setAttribute('d', PATHS[name])
  svg.append(path)
  return svg
}
