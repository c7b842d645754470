// Compiles the sources and the tests, then runs the tests of a folder: `test.mjs` those that need nothing, `test.mjs hub`
// those against the real hub, whose binary HUBBUB_BIN names. Further arguments go to `node --test`.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

const args = process.argv.slice(2)
const real = args[0] === 'hub'
if (real) {
  args.shift()
  if (!process.env.HUBBUB_BIN) {
    console.error('HUBBUB_BIN must name the hubbub binary')
    process.exit(1)
  }
  process.env.HUBBUB_BIN = resolve(process.env.INIT_CWD ?? '.', process.env.HUBBUB_BIN)
}

rmSync(join(root, '.build'), { recursive: true, force: true })
run(tsc, '-p', 'tsconfig.tests.json')
const folder = real ? '.build/tests/hub' : '.build/tests'
const files = readdirSync(join(root, folder)).filter((file) => file.endsWith('.test.js')).sort().map((file) => join(folder, file))
// Hubs and clients of several files at once would only take the processor from each other.
const bounds = real ? ['--test-concurrency=1', '--test-timeout=180000'] : []
run('--enable-source-maps', '--test', '--test-reporter=spec', ...bounds, ...args, ...files)
