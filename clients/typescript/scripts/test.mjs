// Compiles the sources and the tests, then runs the tests; further arguments go to `node --test`.
import { spawnSync } from 'node:child_process'
import { readdirSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const run = (...args) => {
  const { status } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

rmSync(join(root, '.build'), { recursive: true, force: true })
run(tsc, '-p', 'tsconfig.tests.json')
const tests = readdirSync(join(root, '.build/tests')).filter((file) => file.endsWith('.test.js'))
const files = tests.sort().map((file) => join('.build/tests', file))
run('--enable-source-maps', '--test', '--test-reporter=spec', ...process.argv.slice(2), ...files)
