// Starts a Chromium of the system with a profile of its own, takes pictures where SCREENSHOTS says and notes figures in
// the file that FIGURES names.

import { appendFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]

/** A browser; playwright gives each launch a fresh user-data-dir and removes it. */
export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS })
}

/** A page of a visitor of its own. Faults of the page fail the test by `faults`. */
export async function visitor(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1180, height: 760 }, colorScheme: 'light', ...options })
  const page = await context.newPage()
  const faults = []
  page.on('pageerror', (error) => faults.push(`thrown: ${error.message}`))
  page.on('console', (line) => {
    // The browser itself reports connections that fail; they are meant to in these tests.
    const expected = /net::ERR_|WebSocket connection to|status of 5\d\d/.test(line.text())
    if (line.type() === 'error' && !expected) faults.push(`console: ${line.text()}`)
  })
  return { context, page, faults }
}

export async function picture(page, name) {
  const folder = process.env.SCREENSHOTS
  if (!folder) return
  await mkdir(folder, { recursive: true })
  await page.screenshot({ path: join(folder, `${name}.png`), animations: 'disabled' })
}

/** Notes something measured, as a line `name value`. */
export async function figure(name, value) {
  if (process.env.FIGURES) await appendFile(process.env.FIGURES, `${name} ${value}\n`)
}
