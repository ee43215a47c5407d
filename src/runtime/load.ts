/**
 * `unplugin-secrets/runtime/load`: what the runtime's worker imports to read secrets at start. Not bundled.
 *
 * @module
 */

import { SecretsError } from '../core/errors.ts'
import type { Manifest } from '../core/expose/manifest.ts'
import { createSecrets } from '../core/pipeline.ts'
import type { SecretDeclaration } from '../core/types.ts'

/** Accepts everything, nothing included: what the build knew to be optional. */
const optional: NonNullable<SecretDeclaration['schema']> = {
  '~standard': { version: 1, vendor: 'unplugin-secrets', validate: (value) => ({ value }) },
}

/** @returns the text of each secret of a manifest. @throws SecretsError with every problem at once */
export async function loadManifest(manifest: Manifest): Promise<Record<string, string>> {
  const secretsOf = Object.entries(manifest.secrets)
  const known = ['env', ...Object.keys(manifest.providers)]
  const lost = secretsOf.filter(([name, { from }]) => {
    return from !== undefined && process.env[name] === undefined && !known.includes(from.split(':')[0]!)
  })
  if (lost.length > 0) {
    throw new SecretsError(
      'UNSUPPORTED',
      `${lost.map(([name]) => name).join(', ')}: kept in a provider of your own, which a built server cannot make again.`,
      { hint: 'Start the server with `secrets run`, or set these names as variables.' },
    )
  }
  const declarations = secretsOf.map(([name, { from, template, mode, optional: isOptional }]) => {
    const declaration: SecretDeclaration =
      template === undefined ? { mode, from: from ?? `env:${name}` } : { mode, template }
    if (isOptional) declaration.schema = optional
    return [name, declaration] as const
  })
  const secrets = await createSecrets({
    configFile: false,
    environment: manifest.environment,
    ...(manifest.profile === null ? {} : { profile: manifest.profile, profiles: { [manifest.profile]: {} } }),
    providers: { env: { type: 'env' }, ...(manifest.providers as Record<string, { type: string }>) },
    secrets: Object.fromEntries(declarations),
  })
  try {
    const snapshot = await secrets.load()
    return Object.fromEntries(snapshot.names().map((name) => [name, snapshot.get(name)!.reveal()]))
  } finally {
    await secrets.close()
  }
}
