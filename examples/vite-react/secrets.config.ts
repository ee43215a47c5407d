import { defineConfig } from 'unplugin-secrets'
import { local } from 'unplugin-secrets/providers'

export default defineConfig({
  providers: { local: local() },
  secrets: {
    APP_TITLE: 'local:APP_TITLE',
    MAPS_KEY: 'local:MAPS_KEY',
    API_TOKEN: 'local:API_TOKEN',
  },
  // What browsers may see; every other name is the server's.
  client: ['APP_TITLE', 'MAPS_KEY'],
})
