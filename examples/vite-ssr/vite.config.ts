import secrets from 'unplugin-secrets/vite'
import { defineConfig } from 'vite'

export default defineConfig({ plugins: [secrets()] })
