// Something that two logs move, the room's and the reader's own, which have no order between them: a read mark, or
// whether a thread is followed. Pure.

export class Mark {
  /** Up to which offset of the room's log it is told. */
  #at: number

  /** As a snapshot of the room at an offset has it. */
  constructor(offset: number) {
    this.#at = offset
  }

  /** The room's log moves it; whether that is news. */
  byRoom(offset: number): boolean {
    const news = offset > this.#at
    this.#at = Math.max(this.#at, offset)
    return news
  }

  /** The own log moves it, behind an offset of the room's; whether that is news. */
  byOwn(behind: number | undefined): boolean {
    // A hub that does not say where is believed.
    if (behind === undefined) return true
    const news = behind >= this.#at
    this.#at = Math.max(this.#at, behind)
    return news
  }
}
