// Completing an `@name` while one types: which names fit, and the text with one of them in it. Pure.

/** What is being typed: the letters behind the `@` and where that stands. */
export interface Asked {
  at: number
  typed: string
}

/** A name that can be put there. `note` says who that is. */
export interface Candidate {
  name: string
  note?: string
}

const WORD = /(?:^|[\s([{"'>,;:!?/])@([^\s@"'`\\*?#%&{}<>,]{0,64})$/u
const MOST = 8

/** The mention before the caret; undefined when there is none. */
export function asked(text: string, caret: number): Asked | undefined {
  const typed = WORD.exec(text.slice(0, caret))?.[1]
  return typed === undefined ? undefined : { at: caret - typed.length - 1, typed }
}

/** Names that begin so, then those that hold it; within each in the order they came, so that who spoke last is first. */
export function candidates(all: readonly Candidate[], typed: string): Candidate[] {
  const wanted = typed.toLowerCase()
  const begins = all.filter(({ name }) => name.toLowerCase().startsWith(wanted))
  const holds = all.filter(({ name }) => name.toLowerCase().indexOf(wanted) > 0)
  return [...begins, ...holds].slice(0, MOST)
}

/** The text with the name in place of what was typed, and where the caret goes. */
export function complete(text: string, { at, typed }: Asked, name: string): { text: string; caret: number } {
  const after = text.slice(at + 1 + typed.length)
  const space = /^\s/.test(after) ? '' : ' '
  return { text: `${text.slice(0, at)}@${name}${space}${after}`, caret: at + 1 + name.length + 1 }
}
