// Exact values of a plot under the pointer, or by the arrow keys once the plot has the focus.
'use strict'
for (const figure of document.querySelectorAll('.plot')) {
  const { unit, lines } = JSON.parse(figure.querySelector('script').textContent)
  const [frame, area, cursor, tip] = ['.frame', '.area', '.cursor', '.tip'].map((part) => figure.querySelector(part))
  const number = new Intl.NumberFormat('en', { maximumSignificantDigits: 6 })
  const shown = (low, high) => (low === high ? '' : number.format(low) + ' – ') + number.format(high) + unit
  const places = [...new Set(lines.flatMap((line) => line.points.map((point) => point[0])))].sort((a, b) => a - b)
  let at = 0

  /** The index of the item nearest to a place; items are in order. */
  const nearest = (items, place, of) => {
    let low = 0
    let high = items.length - 1
    while (high - low > 1) {
      const middle = (low + high) >> 1
      if (of(items[middle]) <= place) low = middle
      else high = middle
    }
    return place - of(items[low]) <= of(items[high]) - place ? low : high
  }

  const add = (parent, tag, text) => {
    const element = document.createElement(tag)
    if (text !== undefined) element.textContent = text
    parent.append(element)
    return element
  }

  const show = (index) => {
    at = Math.min(Math.max(index, 0), places.length - 1)
    const place = places[at]
    tip.replaceChildren()
    for (const [nth, line] of lines.entries()) {
      const [, head, low, high] = line.points[nearest(line.points, place, (point) => point[0])]
      if (nth === 0) add(tip, 'strong', head)
      const row = add(tip, 'div')
      row.append(figure.querySelectorAll('.key')[nth].cloneNode(true))
      add(row, 'span', line.name)
      add(row, 'span', shown(low, high))
    }
    cursor.hidden = tip.hidden = false
    const box = area.getBoundingClientRect()
    const left = (place / 1000) * box.width
    cursor.style.left = left + 'px'
    // Beside the cursor, on the side with more room, and never out of the page.
    const wanted = place < 500 ? left + 10 : left - 10 - tip.offsetWidth
    const most = document.documentElement.clientWidth - box.left - tip.offsetWidth - 4
    tip.style.left = Math.max(Math.min(wanted, most), 4 - box.left) + 'px'
  }
  const hide = () => { cursor.hidden = tip.hidden = true }

  frame.addEventListener('pointermove', (event) => {
    const box = area.getBoundingClientRect()
    show(nearest(places, ((event.clientX - box.left) / box.width) * 1000, (place) => place))
  })
  frame.addEventListener('pointerleave', hide)
  frame.addEventListener('blur', hide)
  frame.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key]
    if (event.key === 'Escape') hide()
    if (step === undefined) return
    event.preventDefault()
    show(at + step)
  })
}
