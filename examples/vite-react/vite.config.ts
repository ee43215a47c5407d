import react from '@vitejs/plugin-react'
import secrets from 'unplugin-secrets/vite'
import { defineConfig } from 'vite'

export default defineConfig({ plugins: [react(), secrets()] })
