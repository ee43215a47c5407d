import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ResolvedConfig } from '../config/resolve.ts'
import type { Snapshot } from '../snapshot.ts'
import type { JsonObject } from '../types.ts'

/** What a built server knows of one secret: where it lives, never what it is. */
export interface ManifestSecret extends JsonObject {
  /** Its reference, or its template. Neither: only a variable of the same name can give it. */
  readonly from?: string
  readonly template?: string
  readonly mode: 'plaintext' | 'json'
  /** Whether the code gets the text, or what it says as JSON. */
  readonly kind: 'text' | 'json'
  /** There was no value at the build, and the schema said that this is fine. */
  readonly optional?: true
}

/** What `virtual:secrets/server` carries into a bundle. No value and no credential. */
export interface Manifest extends JsonObject {
  /** Tells the secrets of two configurations in one process apart. */
  readonly scope: string
  readonly environment: string
  readonly profile: string | null
  readonly secrets: { readonly [name: string]: ManifestSecret }
  /** `type` and settings by name; credentials come from the environment at run time. */
  readonly providers: JsonObject
}

export function createManifest(
  config: ResolvedConfig,
  snapshot: Snapshot,
  names: readonly string[],
): Manifest {
  const secrets: Record<string, ManifestSecret> = {}
  const used = new Set<string>()
  for (const name of names) {
    const meta = snapshot.meta(name)
    const declared = config.secrets.get(name)
    const from = declared ? declared.reference?.source : meta?.reference
    const template = declared?.template
    if (from !== undefined) used.add(from.slice(0, from.indexOf(':')))
    const kind = meta?.kind ?? 'text'
    secrets[name] = {
      mode: declared?.mode ?? (kind === 'json' ? 'json' : 'plaintext'),
      kind,
      ...(meta ? {} : { optional: true as const }),
      ...(from === undefined ? {} : { from }),
      ...(template
        ? {
            template: template
              .map((part) => (typeof part === 'string' ? part : `{{vault:${part.alias}}}`))
              .join(''),
          }
        : {}),
    }
  }
  const providers: Record<string, JsonObject> = {}
  for (const [name, { type, settings }] of config.providers) {
    if (used.has(name) && settings !== undefined) providers[name] = { ...settings, type }
  }
  const content = { environment: config.environment, profile: config.profile ?? null, secrets, providers }
  // The package's name, not its path: the same build on two machines is the same bytes.
  const identity = JSON.stringify([packageName(config.root), content])
  return {
    scope: createHash('sha256').update(identity).digest('hex').slice(0, 16),
    ...content,
  }
}

function packageName(root: string): string {
  try {
    return String((JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name?: unknown }).name)
  } catch {
    // None, or none that can be read: the manifest alone has to tell projects apart.
    return ''
  }
}
