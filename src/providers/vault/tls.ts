import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { fileHint, reasonOf, SecretsError } from '../../core/errors.ts'
import type { ResolvedVaultOptions, VaultTls } from './options.ts'
import type { TransportOptions } from './transport.ts'

export function warnOfUnverified({ url, tls }: ResolvedVaultOptions, name: string): void {
  if (url.startsWith('https:') && !tls.verify)
    process.emitWarning(
      `${name}: the certificate of ${url} is not verified (tls.verify is false). Anyone on the way can read the secrets.`,
      { type: 'SecurityWarning', code: 'UNPLUGIN_SECRETS_TLS_UNVERIFIED' },
    )
}

/**
 * The texts behind what `tls` names; a file named in the options is relative to the configuration.
 * @throws SecretsError `FILE_UNREADABLE`, `CONFIG_INVALID` for a certificate without its key
 */
export async function readTls(
  tls: ResolvedVaultOptions['tls'],
  root: string,
): Promise<TransportOptions['tls']> {
  const read = (name: 'ca' | 'cert' | 'key', variable: string) => textOf(tls, name, variable, root)
  const [ca, cert, key] = await Promise.all([
    read('ca', 'VAULT_CACERT'),
    read('cert', 'VAULT_CLIENT_CERT'),
    read('key', 'VAULT_CLIENT_KEY'),
  ])
  if (!cert !== !key)
    throw new SecretsError('CONFIG_INVALID', 'vault: a client certificate and its key only work together.', {
      hint: 'Set tls.certFile and tls.keyFile, or VAULT_CLIENT_CERT and VAULT_CLIENT_KEY.',
    })
  return { ca, cert, key, verify: tls.verify }
}

async function textOf(
  tls: VaultTls,
  name: 'ca' | 'cert' | 'key',
  variable: string,
  root: string,
): Promise<string | undefined> {
  const { [name]: text, [`${name}File` as const]: named } = tls
  if (text) return text
  const file = named ? resolve(root, named) : process.env[variable]
  if (!file) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    const origin = named ? `tls.${name}File` : variable
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file} (${origin}): ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}
