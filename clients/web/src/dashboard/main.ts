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
const COMMAND = `hubbub publish --channel feed:cpu --conflate-key cpu --data '{"value":42}'`
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
byId('copy').onclick = () => {
  navigator.clipboard?.writeText(COMMAND).then(
    () => (byId('copy').textContent = 'Copied'),
    () => (byId('copy').textContent = 'Copy it by hand, the browser does not allow it'),
  )
}
let stream = open()
maxRate.onchange = () => {
  stream.close()
  stream = open()
}
setInterval(draw, 1_000)
