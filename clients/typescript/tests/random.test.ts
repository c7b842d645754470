// Goal: a tab keeps its affinity over reloads; who can not keep one still has one. Method: the storage of a browser, played.

import assert from 'node:assert/strict'
import { afterEach, describe, test } from 'node:test'
import { affinity } from '../src/random.js'

const platform = globalThis as { sessionStorage?: unknown }
const real = Object.getOwnPropertyDescriptor(globalThis, 'sessionStorage')

function storage(kept: string | null, broken = false): { kept: string | null } {
  const state = { kept }
  const fail = (): never => {
    throw new Error('storage is blocked')
  }
  const value = {
    getItem: () => (broken ? fail() : state.kept),
    setItem: (_: string, text: string) => void (broken ? fail() : (state.kept = text)),
  }
  Object.defineProperty(globalThis, 'sessionStorage', { configurable: true, value })
  return state
}

describe('the affinity', () => {
  afterEach(() => {
    delete platform.sessionStorage
    if (real !== undefined) Object.defineProperty(globalThis, 'sessionStorage', real)
  })

  test('is made once for a tab and survives a reload', () => {
    const state = storage(null)
    const made = affinity()
    assert.match(made, /^[0-9a-z]{24}$/)
    assert.equal(state.kept, made)
    assert.equal(affinity(), made)
  })

  test('is made anew when something else was kept', () => {
    const state = storage('not ours!')
    assert.match(affinity(), /^[0-9a-z]{24}$/)
    assert.notEqual(state.kept, 'not ours!')
  })

  test('is there where nothing can be kept', () => {
    storage(null, true)
    assert.match(affinity(), /^[0-9a-z]{24}$/)
    assert.notEqual(affinity(), affinity())
  })
})
