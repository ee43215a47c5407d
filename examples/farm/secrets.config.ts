import { defineConfig } from 'unplugin-secrets'
import { local } from 'unplugin-secrets/providers'

export default defineConfig({
  providers: { local: local() },
  secrets: {
    MAPS_KEY: 'local:MAPS_KEY',
    DATABASE_URL: 'local:DATABASE_URL',
  },
  // What browsers may see; every other name is the server's.
  client: ['MAPS_KEY'],
})
