import { createHmac } from 'node:crypto'
import { isAbsolute, join, relative, resolve } from 'node:path'
import { deriveKey, loadProjectKey, type SealKey } from '../crypto/keys.ts'
import { SecretsError } from '../errors.ts'
import { readIfExists, writeAtomic } from '../files.ts'
import type { Finding, Scanner } from './types.ts'

/** Read by every build and every `secrets scan` where it exists. Meant to be committed. */
export const BASELINE_FILE = '.secrets-baseline.json'

/**
 * One accepted place. Only `id` counts; the rest is for whoever reviews the file.
 * `id` is an HMAC over name, path, encoding, value and number, so neither the file nor a hash in it tells
 * anything of the value, and nobody without the key can accept something.
 */
interface Entry {
  readonly id: string
  readonly name: string
  readonly asset: string
  readonly encoding: string
  readonly environment: string
}

interface Contents {
  readonly version: 1
  /** Which key the ids were made with. */
  readonly key: string
  readonly accepted: readonly Entry[]
}

/** What the findings belong to. */
export interface BaselineScope {
  readonly root: string
  /** Absolute, or relative to the root: where the scanned assets stand. */
  readonly folder: string
  readonly environment: string
}

export interface Accepted {
  /** What nobody has accepted. */
  readonly findings: readonly Finding[]
  /** How many others there were. */
  readonly accepted: number
  /** Why the baseline could not be used; then every finding is a new one. */
  readonly problem?: string
}

/**
 * Takes accepted findings out. A changed value, another encoding, file or name, or one place more in the same
 * file is a new finding; another line or another content hash in the file's name is not.
 * @param file absolute
 * @throws SecretsError CONFIG_INVALID for a file that is no baseline, FILE_UNREADABLE
 */
export async function withoutAccepted(
  findings: readonly Finding[],
  scanner: Pick<Scanner, 'fingerprint'>,
  { file, scope }: { file: string; scope: BaselineScope },
): Promise<Accepted> {
  if (findings.length === 0) return { findings, accepted: 0 }
  const contents = await readBaseline(file)
  if (!contents) return { findings, accepted: 0 }
  const key = baselineKey(scope.root, false)
  const shown = relative(scope.root, file)
  if (!key)
    return {
      findings,
      accepted: 0,
      problem: `${shown} was not used: there is no project key to check it with`,
    }
  if (contents.key !== key.id.toString('hex'))
    return { findings, accepted: 0, problem: `${shown} was not used: it was made with another project key` }
  const known = new Set(contents.accepted.map(({ id }) => id))
  const entries = entriesOf(findings, scanner, key, scope)
  const rest = findings.filter((_, index) => !known.has(entries[index]!.id))
  return { findings: rest, accepted: findings.length - rest.length }
}

/**
 * Accepts all these findings: they replace what was accepted before for this folder and this environment.
 * @returns how many are accepted now, in all
 * @throws SecretsError for a key or a file that cannot be read or made
 */
export async function updateBaseline(
  findings: readonly Finding[],
  scanner: Pick<Scanner, 'fingerprint'>,
  { file, scope }: { file: string; scope: BaselineScope },
): Promise<number> {
  const key = baselineKey(scope.root, true)!
  const before = await readBaseline(file)
  const id = key.id.toString('hex')
  const folder = placeOf(scope, '')
  const isElsewhere = ({ asset, environment }: Entry): boolean =>
    environment !== scope.environment || !(folder === '' || asset.startsWith(`${folder}/`))
  // Ids of another key accept nothing any more.
  const kept = before?.key === id ? before.accepted.filter(isElsewhere) : []
  const accepted = [...kept, ...entriesOf(findings, scanner, key, scope)]
  const order = (entry: Entry): string => [entry.asset, entry.name, entry.encoding, entry.id].join('\0')
  const contents: Contents = {
    version: 1,
    key: id,
    accepted: accepted.toSorted((a, b) => (order(a) < order(b) ? -1 : 1)),
  }
  await writeAtomic(file, `${JSON.stringify(contents, undefined, 2)}\n`, { mode: 0o644 })
  return accepted.length
}

function baselineKey(root: string, create: boolean): SealKey | undefined {
  const project = loadProjectKey(root, { create })
  return project && deriveKey(project, { purpose: 'baseline', scope: '' })
}

function entriesOf(
  findings: readonly Finding[],
  scanner: Pick<Scanner, 'fingerprint'>,
  key: SealKey,
  scope: BaselineScope,
): Entry[] {
  const counts = new Map<string, number>()
  return findings.map(({ name, asset: path, encoding }) => {
    const asset = placeOf(scope, path)
    const what = JSON.stringify([name, asset, encoding, scanner.fingerprint(name, key.secret)])
    // The second one of a kind is a place of its own: more of them than were accepted are new.
    const number = counts.get(what) ?? 0
    counts.set(what, number + 1)
    const id = createHmac('sha256', key.secret).update(`${number} ${what}`).digest('hex')
    return { id, name, asset, encoding, environment: scope.environment }
  })
}

/** Relative to the root, the same on every machine and from one build to the next. */
function placeOf({ root, folder }: BaselineScope, asset: string): string {
  const path = relative(root, join(resolve(root, folder), asset)).replaceAll('\\', '/')
  return withoutHashes(isAbsolute(path) ? asset : path)
}

/** `index-DiwrgTda.js`, `main.3f2a9c1b77de.js.map`, `chunk-ABCD2345.js`, `3f2a9c1b77de0c45.png` without what changes. */
export function withoutHashes(path: string): string {
  return path
    .split('/')
    .map((part) =>
      part
        // What Rollup, Rolldown and esbuild append: eight characters, hardly ever all of them small letters.
        .replace(/([-.])(?=[\w-]*[A-Z\d])[\w-]{8}(?=\.[a-z])/, '$1*')
        .replace(/(^|[-._~])(?=[a-f]*\d)[\da-f]{8,64}(?=\.[a-z])/, '$1*'),
    )
    .join('/')
}

async function readBaseline(file: string): Promise<Contents | undefined> {
  const bytes = await readIfExists(file)
  if (!bytes) return undefined
  let contents: Partial<Contents> | undefined
  try {
    contents = JSON.parse(bytes.toString('utf8')) as Partial<Contents>
  } catch {}
  const valid =
    contents?.version === 1 &&
    typeof contents.key === 'string' &&
    Array.isArray(contents.accepted) &&
    contents.accepted.every((entry: Partial<Entry> | null) => {
      return [entry?.id, entry?.name, entry?.asset, entry?.environment].every(
        (part) => typeof part === 'string',
      )
    })
  if (valid) return contents as Contents
  throw new SecretsError('CONFIG_INVALID', `${file} is not a baseline of this version.`, {
    hint: 'Make it anew: secrets scan DIR --update-baseline.',
  })
}
