import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/.tmp/**', 'node_modules/**'],
    globalSetup: ['test/setup/global.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    // A browser, bundlers and five servers share two cores there: what fails twice is wrong.
    retry: process.env.CI ? 1 : 0,
    // Two cores: a file starts bundlers, servers and browsers of its own.
    maxWorkers: 2,
    // A developer's own login must not reach the tests.
    env: {
      XDG_CONFIG_HOME: fileURLToPath(new URL('test/.tmp/home/config', import.meta.url)),
      XDG_CACHE_HOME: fileURLToPath(new URL('test/.tmp/home/cache', import.meta.url)),
      VAULT_ADDR: '',
      VAULT_TOKEN: '',
      VAULT_NAMESPACE: '',
      VAULT_CACERT: '',
      BAO_ADDR: '',
      BAO_TOKEN: '',
      AWS_PROFILE: '',
      AWS_REGION: '',
      AWS_DEFAULT_REGION: '',
      SECRETS_KEY: '',
      SECRETS_PROFILE: '',
      AWS_EC2_METADATA_DISABLED: 'true',
    },
  },
})
