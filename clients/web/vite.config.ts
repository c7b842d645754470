// Builds the three pages. The hub sends `default-src 'self'`: nothing is inlined, neither scripts nor styles nor images.

import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const hub = process.env.HUBBUB_URL ?? 'http://127.0.0.1:8080'

export default defineConfig({
  resolve: { alias: { '@hubbub/client': at('../typescript/src/index.ts') } },
  build: {
    target: ['chrome123', 'firefox128', 'safari17.5'],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: { input: { chat: at('index.html'), dashboard: at('dashboard.html'), widget: at('widget.html') } },
  },
  // `npm run dev` serves the pages and hands everything else to a hub in development mode.
  server: { proxy: { '/ws': { target: hub, ws: true }, '/sse': hub, '/v1': hub, '/dev': hub } },
})
