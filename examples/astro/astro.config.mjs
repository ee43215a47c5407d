import node from '@astrojs/node'
import { defineConfig } from 'astro/config'
import secrets from 'unplugin-secrets/vite'

export default defineConfig({
  adapter: node({ mode: 'standalone' }),
  vite: { plugins: [secrets()] },
})
