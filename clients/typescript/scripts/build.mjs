// Builds the package: ES modules with types into dist/, and the size of it all in one minified file.
import { execFileSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const tsc = join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc')
const { name, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

rmSync(join(root, 'dist'), { recursive: true, force: true })
execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: 'inherit' })

const size = async (entry) => {
  const bundle = await rolldown({ input: join(root, 'dist', entry), platform: 'browser' })
  const { output } = await bundle.generate({ format: 'es', minify: true })
  await bundle.close()
  const code = Buffer.from(output[0].code)
  return `${code.length} bytes, ${gzipSync(code, { level: 9 }).length} gzipped`
}

console.log(`${name} ${version} in one minified file: ${await size('index.js')}`)
console.log(`  Hub alone: ${await size('hub.js')}`)
console.log(`  Stream alone: ${await size('stream/stream.js')}`)
