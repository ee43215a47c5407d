import { SecretsError } from '../errors.ts'

/**
 * The device secret in the keychain of the operating system, through the optional package `@napi-rs/keyring`.
 *
 * A keychain may ask its user, and its calls block. So each runs in a process of its own with an end; that
 * costs about as much as starting Node, which is why nobody has it who did not ask for it.
 */

/** How long a keychain may take, in ms: long enough for a person to type a password. */
const PATIENCE = 30_000
/** For a first try, when nobody waits for a dialog. */
const FIRST_PATIENCE = 5000
const SERVICE = 'unplugin-secrets'

/** What an account begins with, which stands in the key file when the secret is in the keychain. */
export const IN_KEYCHAIN = 'keychain:'

/** `SECRETS_KEYCHAIN=1`: a device secret that has to be made goes into the keychain, where one works. */
export function wantsKeychain(): boolean {
  return process.env.SECRETS_KEYCHAIN === '1'
}

/** The script, with what it needs from the environment of this call alone; the secret goes through pipes. */
const SCRIPT = `
const { Entry } = require(process.env.KEYRING)
const entry = new Entry(process.env.SERVICE, process.env.ACCOUNT)
if (process.env.ACTION === 'set') entry.setPassword(require('node:fs').readFileSync(0, 'utf8'))
process.stdout.write(entry.getPassword() ?? '')
`

function call(action: 'get' | 'set', account: string, input: string, timeout: number): string | undefined {
  const builtin = process.getBuiltinModule
  const { createRequire } = builtin('node:module')
  try {
    const keyring = [import.meta.url, `${process.cwd()}/`]
      .map((from) => {
        try {
          return createRequire(from).resolve('@napi-rs/keyring')
        } catch {
          return undefined
        }
      })
      .find((path) => path !== undefined)
    if (keyring === undefined) return undefined
    return builtin('node:child_process').execFileSync(process.execPath, ['-e', SCRIPT], {
      input,
      timeout,
      killSignal: 'SIGKILL',
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { ...process.env, KEYRING: keyring, SERVICE, ACCOUNT: account, ACTION: action, NODE_OPTIONS: '' },
    })
  } catch {
    // No keychain, a locked one, nobody who answers: all the same to who asks.
    return undefined
  }
}

/** @returns whether the keychain has it now, and gives it back. */
export function storeInKeychain(account: string, secret: string): boolean {
  return call('set', account, secret, FIRST_PATIENCE) === secret
}

/** @throws SecretsError FILE_UNREADABLE when it does not give it. */
export function readFromKeychain(account: string): string {
  const secret = call('get', account, '', PATIENCE)
  if (secret) return secret
  throw new SecretsError('FILE_UNREADABLE', `The keychain does not give the device secret of ${account}.`, {
    hint: 'Unlock it, and see that @napi-rs/keyring is installed. If it is gone for good, remove the file named: what was sealed with it must then be set again.',
  })
}
