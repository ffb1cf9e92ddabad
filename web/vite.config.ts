import { fileURLToPath } from 'node:url'
import vue from '@vitejs/plugin-vue'
import vueI18n from '@intlify/unplugin-vue-i18n/vite'
import { defineConfig } from 'vitest/config'

const src = fileURLToPath(new URL('./src', import.meta.url))

export default defineConfig({
  plugins: [
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
