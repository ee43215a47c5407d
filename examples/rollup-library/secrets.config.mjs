import { defineConfig } from 'unplugin-secrets'
import { local } from 'unplugin-secrets/providers'

export default defineConfig({
  providers: { local: local() },
  secrets: { STRIPE_KEY: 'local:STRIPE_KEY' },
})
