import secrets from 'unplugin-secrets/vite'
import { defineConfig } from 'vitest/config'

export default defineConfig({ plugins: [secrets()] })
