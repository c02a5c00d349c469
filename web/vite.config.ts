import { fileURLToPath } from 'node:url'
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'

const api = process.env.PARLEY_API ?? 'http://127.0.0.1:8080'

export default defineConfig({
  plugins: [react(), tailwindcss()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: {
    // The origin is rewritten because the server compares it exactly with its own.
    proxy: { '/api': { target: api, ws: true, changeOrigin: true, rewriteWsOrigin: true, headers: { origin: api } } },
  },
  build: {
    // Fonts and images stay files: the policy allows data: images only for what the bundle itself carries.
    assetsInlineLimit: 0,
  },
  test: { include: ['src/**/*.test.{ts,tsx}'], environment: 'node' },
})
