/**
 * `unplugin-secrets/runtime/load`: what the runtime's worker imports to read secrets at start. Not bundled.
 *
 * @module
 */
import type { Manifest } from '../core/expose/manifest.ts'
import { createSecrets } from '../core/pipeline.ts'
import type { SecretDeclaration } from '../core/types.ts'

/** @returns the text of each secret of a manifest. @throws SecretsError with every problem at once */
export async function loadManifest(manifest: Manifest): Promise<Record<string, string>> {
  const declarations = Object.entries(manifest.secrets).map(([name, { from, template, mode }]) => {
    const declaration: SecretDeclaration = {
      mode,
      ...(template === undefined ? { from: from ?? `env:${name}` } : { template }),
    }
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
