// Who is writing, in words. Pure.

export function typingWords(writers: readonly string[]): string {
  const [a, b, c] = writers
  if (a === undefined) return ''
  if (b === undefined) return `${a} is typing…`
  if (c === undefined) return `${a} and ${b} are typing…`
  return `${writers.length} people are typing…`
}
