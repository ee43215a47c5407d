import { resolve } from 'node:path'
import { SecretsError } from '../../core/errors.ts'
import type {
  CheckResult,
  Duration,
  ListEntry,
  Provider,
  ProviderContext,
  ReadResult,
} from '../../core/types.ts'
import { watchFiles } from '../../core/watch-files.ts'
import { throwIfAborted } from '../aborted.ts'
import { checkOptions } from '../options.ts'
import type { LocalContent, LocalEntry, LocalStore, LocalValue } from './store.ts'

export interface LocalOptions {
  /** The sealed file, relative to the configuration. Default `.secrets/local.vault`. */
  file?: string
  /** Default `ttl` of its values, as in `cache.ttl`. */
  ttl?: Duration
}

const NAME = /^[A-Za-z0-9_.-]+$/
const ALL = '*'

/**
 * The embedded default: an encrypted file, no server, no sign-in. A value is shared by all environments
 * unless one has its own. `local:NAME` reads one, `local:*` all.
 * @throws SecretsError CONFIG_INVALID for an option that is none.
 */
export function local(options: LocalOptions = {}): Provider {
  checkOptions('local', options, { file: 'text', ttl: 'duration' })
  const { file = '.secrets/local.vault', ttl } = options

  // Sealing is loaded with the first call, so that a configuration that names this costs nothing.
  const store = async (context: ProviderContext): Promise<LocalStore> => {
    throwIfAborted(context)
    const { LocalStore } = await import('./store.ts')
    return new LocalStore(context.root, file)
  }

  return {
    type: 'local',
    location: file,
    settings: {
      ...(options.file !== undefined && { file }),
      ...(ttl !== undefined && ttl !== Infinity && { ttl }),
    },
    ttl,
    cached: false,
    importAll: true,

    validate({ path, options: given }) {
      if (path !== ALL && !NAME.test(path)) return wrongName(path)
      const [option] = Object.keys(given)
      return option === undefined ? undefined : `local values have no options; take ?${option} away`
    },

    async read(requests, context) {
      const content = await (await store(context)).read()
      const entries = content?.entries ?? new Map<string, LocalEntry>()
      return requests.map(({ path }): ReadResult => {
        if (path === ALL) {
          return { value: allValues(entries, context.environment), version: wholeStamp(content) }
        }
        const found = valueIn(entries.get(path), context.environment)
        return found && { value: found.value, version: stamp(found) }
      })
    },

    async versions(requests, context) {
      const content = await (await store(context)).read()
      return requests.map(({ path }) => {
        if (path === ALL) return wholeStamp(content)
        const found = valueIn(content?.entries.get(path), context.environment)
        return found && stamp(found)
      })
    },

    async list(path, context) {
      const content = await (await store(context)).read()
      return [...(content?.entries ?? [])]
        .filter(([name]) => name.startsWith(path))
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([name, entry]) => listed(name, entry))
    },

    async write({ path, environment, value, expected }, context) {
      if (!NAME.test(path)) throw new SecretsError('REFERENCE_INVALID', wrongName(path))
      if (value instanceof Uint8Array)
        throw new SecretsError(
          'WRONG_TYPE',
          `Cannot write ${context.name}:${path}: it holds text, not bytes.`,
        )
      const text = typeof value === 'string' ? value : JSON.stringify(value)
      let version: string | undefined
      await (await store(context)).update((entries, written) => {
        const entry = entries.get(path)
        const before = environment === undefined ? entry?.shared : own(entry?.environments, environment)
        if (expected !== undefined && (before ? stamp(before) : null) !== expected)
          throw new SecretsError(
            'CONFLICT',
            `Cannot write ${context.name}:${path}: its current version is another one.`,
            { hint: 'Somebody else has written it. Look at the value there before writing again.' },
          )
        const next: LocalValue = { value: text, ...written }
        version = stamp(next)
        const changed: LocalEntry =
          environment === undefined
            ? { ...entry, shared: next }
            : { ...entry, environments: withOwn(entry?.environments ?? {}, environment, next) }
        return new Map(entries).set(path, changed)
      })
      return { version }
    },

    async remove({ path, environment }, context) {
      let removed = false
      await (await store(context)).update((entries) => {
        const entry = entries.get(path)
        const target = environment === undefined ? entry?.shared : own(entry?.environments, environment)
        if (!entry || !target) return undefined
        removed = true
        const left = new Map(entries)
        const rest = without(entry, environment)
        if (rest) left.set(path, rest)
        else left.delete(path)
        return left
      })
      return removed
    },

    watch({ root }, changed) {
      return watchFiles([resolve(root, file)], changed)
    },

    async check(requests, context) {
      try {
        const content = await (await store(context)).read()
        const count = content?.entries.size ?? 0
        const detail = content
          ? `${count} ${count === 1 ? 'name' : 'names'}`
          : 'no file yet: nothing is stored'
        const opened: CheckResult = { label: `open ${file}`, ok: true, detail }
        const missing = (path: string) =>
          path !== ALL && !valueIn(content?.entries.get(path), context.environment)
        return [
          opened,
          ...requests.map(({ path }): CheckResult => {
            const label = `read ${context.name}:${path}`
            if (!missing(path)) return { label, ok: true }
            const hint = `Set it with: npx secrets set ${path}`
            return { label, ok: false, detail: `not set for ${context.environment}`, hint }
          }),
        ]
      } catch (error) {
        if (!(error instanceof SecretsError)) throw error
        return [{ label: `open ${file}`, ok: false, detail: error.message, hint: error.hint }]
      }
    },
  }
}

function wrongName(path: string): string {
  return `${JSON.stringify(path)} is not a name of a local value: letters, digits, _, - and . only`
}

/** The revision alone starts anew when somebody removes the file; equal stamps must mean equal content. */
function stamp({ version, updatedAt }: Omit<LocalValue, 'value'>): string {
  return `${version}-${updatedAt.toString(36)}`
}

/** Of everything together. */
function wholeStamp(content: LocalContent | undefined): string | undefined {
  return content && stamp({ version: content.revision, updatedAt: content.updatedAt })
}

function valueIn(entry: LocalEntry | undefined, environment: string): LocalValue | undefined {
  return own(entry?.environments, environment) ?? entry?.shared
}

function allValues(entries: ReadonlyMap<string, LocalEntry>, environment: string): Record<string, string> {
  return Object.fromEntries(
    [...entries].flatMap(([name, entry]) => {
      const found = valueIn(entry, environment)
      return found ? [[name, found.value] as const] : []
    }),
  )
}

function listed(path: string, { shared, environments = {} }: LocalEntry): ListEntry[] {
  const line = (value: LocalValue): ListEntry => ({ path, version: stamp(value), updatedAt: value.updatedAt })
  return [
    ...(shared ? [line(shared)] : []),
    ...Object.entries(environments).map(([environment, value]) => ({ ...line(value), environment })),
  ]
}

/** Environments have any names, `constructor` too. */
function own(values: LocalEntry['environments'], environment: string): LocalValue | undefined {
  return values && Object.hasOwn(values, environment) ? values[environment] : undefined
}

function withOwn(
  values: Readonly<Record<string, LocalValue>>,
  environment: string,
  value: LocalValue,
): Record<string, LocalValue> {
  // Not a spread with a computed key: that would make `__proto__` a prototype.
  return Object.fromEntries([...Object.entries(values), [environment, value]])
}

/** @returns `undefined` when nothing is left. */
function without(
  { shared, environments = {} }: LocalEntry,
  environment: string | undefined,
): LocalEntry | undefined {
  if (environment === undefined) return Object.keys(environments).length > 0 ? { environments } : undefined
  const rest = Object.fromEntries(Object.entries(environments).filter(([name]) => name !== environment))
  if (Object.keys(rest).length > 0) return { ...(shared && { shared }), environments: rest }
  return shared && { shared }
}
