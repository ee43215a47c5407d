import { defineConfig } from '../src/index.ts'
import { aws, local, vault } from '../src/providers/index.ts'

// The same names, from wherever `DEMO_SOURCE` says: the encrypted local vault, or OpenBao and moto.
const remote = process.env.DEMO_SOURCE === 'remote'

export default defineConfig({
  providers: remote
    ? {
        vault: vault({ url: process.env.DEMO_VAULT_URL!, auth: { method: 'token' } }),
        aws: aws({ region: 'eu-west-1', endpoint: process.env.DEMO_AWS_URL!, auth: { method: 'default' } }),
      }
    : { local: local() },
  secrets: {
    DATABASE_URL: remote ? 'vault:demo/db#url' : 'local:DATABASE_URL',
    STRIPE_KEY: {
      from: remote ? 'aws:demo/stripe#key' : 'local:STRIPE_KEY',
      description: 'Payments; stays on the server.',
    },
    MAPS_KEY: {
      from: remote ? 'vault:demo/web#maps' : 'local:MAPS_KEY',
      description: 'Restricted by referrer, so browsers may see it.',
    },
    API_HOST: remote ? 'vault:demo/web#host' : 'local:API_HOST',
    API_URL: { template: 'https://{{vault:API_HOST}}/v1' },
    APP_TITLE: remote ? 'aws:demo/web#title' : 'local:APP_TITLE',
  },
  client: ['MAPS_KEY', 'API_HOST', 'API_URL', 'APP_TITLE'],
})
