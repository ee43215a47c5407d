import { readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf, SecretsError } from '../errors.ts'
import { lock, writeAtomic } from '../files.ts'
import { canonicalReference, parseReference } from '../reference.ts'
import type { Reference, SecretDeclaration, SecretsConfig } from '../types.ts'

/** Which document an environment's values come from, by environment. */
export type Links = ReadonlyMap<string, string>

/**
 * Beside the configuration, and committed with it: a configuration may be a program, which nothing can rewrite
 * safely. Environments and references; no value.
 */
export function linksFile(root: string): string {
  return join(root, 'secrets.links.json')
}

/** @throws SecretsError `CONFIG_UNREADABLE`, `CONFIG_INVALID`; without the file there are no links */
export function readLinks(root: string): Links {
  const file = linksFile(root)
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map()
    throw new SecretsError('CONFIG_UNREADABLE', `Cannot read ${file}: ${reasonOf(error)}.`)
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    throw new SecretsError('CONFIG_UNREADABLE', `${file} is not JSON.`, {
      hint: 'Mend it, or take it back from git; nothing was fetched.',
    })
  }
  const entries = isObject(content) && isObject(content.links) ? Object.entries(content.links) : undefined
  if (!entries?.every((entry): entry is [string, string] => typeof entry[1] === 'string'))
    throw new SecretsError('CONFIG_INVALID', `${file} must be { "links": { ENVIRONMENT: REFERENCE } }.`)
  return new Map(entries)
}

/** Reads, changes and writes while no other process does; without links there is no file. */
export async function changeLinks(root: string, change: (links: Map<string, string>) => void): Promise<void> {
  // The mark of the lock lies where git looks away.
  await lock(join(root, '.secrets', 'links'), async () => {
    const links = new Map(readLinks(root))
    change(links)
    if (links.size === 0) {
      await rm(linksFile(root), { force: true })
      return
    }
    const sorted = [...links].sort(([a], [b]) => (a < b ? -1 : 1))
    const content = { links: Object.fromEntries(sorted) }
    await writeAtomic(linksFile(root), `${JSON.stringify(content, undefined, 2)}\n`, { mode: 0o644 })
  })
}

/** Providers that are this machine's own: what a linked environment has there, it has in its document instead. */
export function isOwnPlace(type: string): boolean {
  return type === 'local' || type === 'dotenv'
}

/** What is read as one value of a place of this machine: `dotenv:NAME`, `local:NAME`. */
export function ownName(reference: Reference): string | undefined {
  const { path, field, options } = reference
  return field === undefined && Object.keys(options).length === 0 && path !== '*' ? path : undefined
}

/**
 * What a link makes of the configuration: what the environment would read from this machine's own places comes
 * from the document. The document as a whole is imported by whoever resolves this.
 */
export function withoutOwnPlaces(config: SecretsConfig, link: Reference): SecretsConfig {
  const own = new Set(
    Object.entries(config.providers ?? {})
      .filter(([, provider]) => isOwnPlace(provider.type))
      .map(([name]) => name),
  )
  const moved = (source: string): string => {
    const reference = parsed(source)
    const name = reference && own.has(reference.provider) ? ownName(reference) : undefined
    if (name === undefined) return source
    return canonicalReference(link.path === '*' ? { ...link, path: name } : { ...link, field: name })
  }
  const declared = Object.entries(config.secrets ?? {}).map(
    ([name, given]): [string, string | SecretDeclaration] => {
      if (typeof given === 'string') return [name, moved(given)]
      return [name, given.from === undefined ? given : { ...given, from: moved(given.from) }]
    },
  )
  const imports = (config.import ?? []).filter((source) => {
    const reference = parsed(source)
    return !(reference?.path === '*' && own.has(reference.provider))
  })
  return { ...config, secrets: Object.fromEntries(declared), import: imports }
}

/** @returns `undefined` for what is no reference: that is told where all references are checked */
function parsed(source: string): Reference | undefined {
  try {
    return parseReference(source, 'a reference')
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
