// A widget for other pages: the last number of one channel. `?channel=feed:visitors&label=Visitors`. Begins here.

import { Stream } from '@hubbub/client'
import { numberOf, shortly } from '../dashboard/value.js'
import { byId } from '../dom.js'
import { pill } from '../pill.js'

const asked = new URLSearchParams(location.search)
const channel = asked.get('channel') ?? 'feed:visitors'
const value = byId('value')
const state = byId('state')
const show = pill(state)
let before = false

byId('label').textContent = asked.get('label') ?? channel

try {
  const stream = new Stream({ url: '/', channels: [channel], maxRate: 2 })
  stream.on('state', (change) => {
    show({ ...change, before })
    before ||= change.state === 'open'
  })
  stream.on('message', (message) => {
    const number = numberOf(message.data)
    if (number !== undefined) value.textContent = shortly(number)
  })
  stream.on('error', (error) => (state.title = error.message))
} catch (error) {
  value.textContent = '?'
  show({ state: 'closed', error: error as Error, before })
}
