/**
 * `node --import unplugin-secrets/dotenv/config app.js`: the values are there before the application starts.
 * The one entry that waits at its top level, because that is what `--import` is for; it cannot be required.
 *
 * @module
 */
import { SecretsError } from '../core/errors.ts'
import { config } from './load.ts'

try {
  await config()
} catch (error) {
  if (!(error instanceof SecretsError)) throw error
  // About the set-up, not about this code: no stack.
  console.error(`error: ${error.format()}`)
  process.exit(1)
}
