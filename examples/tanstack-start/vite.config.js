import { tanstackStart } from '@tanstack/react-start/plugin/vite'
import react from '@vitejs/plugin-react'
import secrets from 'unplugin-secrets/vite'
import { defineConfig } from 'vite'

export default defineConfig({
  plugins: [
    // Only the page named here: links are not followed.
    tanstackStart({
      prerender: { enabled: true, crawlLinks: false, autoStaticPathsDiscovery: false },
      pages: [{ path: '/about' }],
    }),
    react(),
    secrets(),
  ],
})
