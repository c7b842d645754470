// The dashboard page: one stream of all channels over server-sent events, a tile for each. Begins here.

import { Stream } from '@hubbub/client'
import { byId } from '../dom.js'
import { pill } from '../pill.js'
import { Rate } from './rate.js'
import { Tile } from './tile.js'
import { shortly } from './value.js'

const TILES: [channel: string, title: string, description: string][] = [
  ['feed:cpu', 'CPU', 'percent'],
  ['feed:visitors', 'Visitors', 'on the site now'],
  ['feed:orders', 'Orders', 'today'],
]
const COMMAND = `target/release/hubbub publish --channel feed:cpu --conflate-key cpu --data '{"value":42}'`
const CURL = `curl http://127.0.0.1:8081/v1/publish -H 'Authorization: Bearer dev-key' -H 'Content-Type: application/json' -d '{"channel":"feed:cpu","conflate_key":"cpu","data":{"value":42}}'`

const tiles = new Map(TILES.map(([channel, title, description]) => [channel, new Tile(channel, title, description)]))
const show = pill(byId('stream'))
const maxRate = byId<HTMLSelectElement>('max-rate')
const rate = new Rate()
let opened = false

function open(): Stream {
  const stream = new Stream({ url: '/', channels: [...tiles.keys()], maxRate: Number(maxRate.value) })
  stream.on('state', ({ state, error }) => show({ state, error, before: opened }))
  stream.on('open', (results) => {
    opened = true
    say(null)
    for (const result of results) tiles.get(result.channel)?.open(result)
    // The last values follow at once: only without them is it empty.
    setTimeout(showEmpty, 500)
  })
  stream.on('message', (message) => {
    rate.count()
    tiles.get(message.channel)?.message(message)
    showEmpty()
    later()
  })
  stream.on('skipped', ({ channel, count }) => tiles.get(channel)?.skipped(count))
  stream.on('gap', (gap) => tiles.get(gap.channel)?.gap(gap))
  stream.on('error', (error) => say(error.message))
  return stream
}

function say(problem: string | null): void {
  byId('problem').hidden = problem === null
  byId('problem').textContent = problem ?? ''
}

function showEmpty(): void {
  byId('empty').hidden = [...tiles.values()].some((tile) => tile.hasValue)
}

function draw(): void {
  for (const tile of tiles.values()) tile.draw()
  byId('rate').textContent = shortly(rate.perSecond())
}

/** Once for all messages of a frame of the screen. */
let waiting = false
function later(): void {
  if (waiting) return
  waiting = true
  requestAnimationFrame(() => {
    waiting = false
    draw()
  })
}

byId('tiles').append(...[...tiles.values()].map((tile) => tile.element))
byId('command').textContent = COMMAND
byId('curl').textContent = CURL
for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-copies]')) {
  const text = byId(button.dataset.copies ?? '').textContent ?? ''
  // There is no clipboard outside of https and this machine: then it is marked, to be copied by hand.
  const mark = (): void => getSelection()?.selectAllChildren(byId(button.dataset.copies ?? ''))
  button.onclick = () => {
    if (navigator.clipboard === undefined) return mark()
    navigator.clipboard.writeText(text).then(() => (button.textContent = 'Copied'), mark)
  }
}
let stream = open()
maxRate.onchange = () => {
  stream.close()
  stream = open()
}
setInterval(draw, 1_000)
