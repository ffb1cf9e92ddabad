import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import vueI18n from '@intlify/unplugin-vue-i18n/vite'
import type { Plugin } from 'vite'
import { defineConfig } from 'vitest/config'

const base = '/'
const themePath = '/src/page/theme.js'

/**
 * The script that applies the look before the first paint has to stay outside the modules, and
 * still gets a name of its own contents, so that it may be cached for ever like the rest.
 */
function themeScript(): Plugin {
  let file = ''
  return {
    name: 'theme-script',
    apply: 'build',
    buildStart() {
      const source = readFileSync(fileURLToPath(new URL(`.${themePath}`, import.meta.url)))
      file = this.emitFile({ type: 'asset', name: 'theme.js', source })
    },
    transformIndexHtml: {
      order: 'post',
      handler(html, { bundle }) {
        const asset = Object.values(bundle ?? {}).find((entry) => entry.fileName.includes('theme-'))
        if (!file || !asset) throw new Error('The theme script is missing')
        return html.replace(themePath, base + asset.fileName)
      },
    },
  }
}

const src = fileURLToPath(new URL('./src', import.meta.url))

export default defineConfig({
  base,
  plugins: [
    themeScript(),
    vue(),
    // Messages are compiled here, so that the page needs no eval and no message parser.
    vueI18n({ include: `${src}/locales/*.json`, runtimeOnly: true, strictMessage: true }),
  ],
  resolve: { alias: { '@': src } },
  build: {
    target: 'es2022',
    // The page's policy allows no data: scripts and no inline style, so nothing is inlined.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { proxy: { '/api': 'http://127.0.0.1:8080', '/app': 'ws://127.0.0.1:8080' } },
  test: { environment: 'happy-dom', include: ['src/**/*.spec.ts'], restoreMocks: true },
})
