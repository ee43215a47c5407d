import { mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import type { ProviderContext } from '../../src/core/types.ts'

/** A project and a user's folders of its own, away from those of the person who runs the tests. */
export interface Workspace {
  readonly folder: string
  readonly root: string
  readonly cache: string
  readonly config: string
  remove(): void
}

/** Sets the environment of this test file to it: `vi.unstubAllEnvs()` takes that back. */
export function makeWorkspace(): Workspace {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'unplugin-secrets-')))
  const [root, cache, config] = ['project', 'cache', 'config'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ]
  mkdirSync(root)
  vi.stubEnv('XDG_CACHE_HOME', cache)
  vi.stubEnv('XDG_CONFIG_HOME', config)
  vi.stubEnv('SECRETS_KEY', '')
  vi.stubEnv('CI', '')
  return { folder, root, cache, config, remove: () => rmSync(folder, { recursive: true, force: true }) }
}

/** Every file below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

export function contextFor(root: string, more: Partial<ProviderContext> = {}): ProviderContext {
  return {
    name: 'test',
    root,
    environment: 'development',
    profile: undefined,
    signal: AbortSignal.timeout(60_000),
    concurrency: 4,
    userAgent: 'unplugin-secrets-test',
    debug: () => {},
    ...more,
  }
}
