import { defineConfig } from 'unplugin-secrets'
import { local } from 'unplugin-secrets/providers'

export default defineConfig({
  providers: { local: local() },
  secrets: {
    DATABASE_URL: 'local:DATABASE_URL',
    MAPS_KEY: 'local:MAPS_KEY',
  },
  // What browsers may see; every other name is the server's.
  client: ['MAPS_KEY'],
})
