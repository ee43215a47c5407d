import pLimit from 'p-limit'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'
import { CURRENT, describeSecret, versionAt } from './describe.ts'
import { deletedError } from './errors.ts'
import { listPages } from './list.ts'
import { keyOf, type Memory, widthOf } from './memory.ts'
import { objectsIn } from './pages.ts'
import { OF_ALL, readSecrets } from './read.ts'
import type { Session } from './session.ts'

type Stages = Readonly<Record<string, readonly string[]>>
type Stamp = string | undefined | SecretsError

/** From so many secrets on one list of a hundred is asked first, instead of about each. */
const LIST_FROM = 10

/**
 * Version ids without values. What a list shows unchanged is believed; AWS's lists may be minutes behind,
 * so a change is asked about again, and a secret that may only be read is read.
 */
export async function versionsOf(
  session: Session,
  memory: Memory,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<readonly Stamp[]> {
  const distinct = new Map(requests.map((request) => [keyOf(request), request]))
  const paths = [...new Set(requests.map(({ path }) => path))]
  const listed = paths.length >= LIST_FROM ? await listStages(session, memory, paths, context) : undefined
  const stamps = new Map<string, Stamp>()
  const toRead: ReadRequest[] = []
  const open = new Map<string, ReadRequest[]>()
  for (const [key, request] of distinct) {
    const seen = listed?.get(request.path)
    const stamp = seen && stampIn(seen, request)
    if (typeof stamp === 'string' && memory.stamps.get(key) === stamp) stamps.set(key, stamp)
    else if (memory.describeDenied.has(request.path)) toRead.push(request)
    else open.set(request.path, [...(open.get(request.path) ?? []), request])
  }
  const limit = pLimit(widthOf(memory, context.concurrency))
  let stop: SecretsError | undefined
  await Promise.all(
    [...open].map(([path, about]) =>
      limit(async () => {
        const answer = stop ?? (await look(session, path, context))
        if (answer instanceof SecretsError && OF_ALL.has(answer.code)) stop = answer
        if (answer instanceof SecretsError && answer.code === 'PERMISSION_DENIED') {
          memory.describeDenied.add(path)
          toRead.push(...about)
          return
        }
        for (const request of about) {
          const stamp = answer instanceof SecretsError ? answer : answer && stampIn(answer, request)
          // Versions without a stage are not told of.
          if (stamp === undefined && request.options.version !== undefined && answer) toRead.push(request)
          else stamps.set(keyOf(request), stamp)
        }
      }),
    ),
  )
  if (stop) throw stop
  if (toRead.length > 0) {
    const documents = await readSecrets(session, memory, toRead, context)
    for (const [index, request] of toRead.entries()) {
      const document = documents[index]
      stamps.set(keyOf(request), document instanceof SecretsError ? document : document?.version)
    }
  }
  const errors = [...stamps.values()].filter((stamp) => stamp instanceof SecretsError)
  if (errors.length > 0 && errors.length === stamps.size && errors.every(({ transient }) => transient))
    throw errors[0]!
  for (const [key, stamp] of stamps) if (!(stamp instanceof SecretsError)) memory.stamps.set(key, stamp)
  return requests.map((request) => stamps.get(keyOf(request)))
}

function stampIn(stages: Stages, { options }: ReadRequest): string | undefined {
  const { version, stage = CURRENT } = options
  if (version !== undefined) return Object.hasOwn(stages, version) ? version : undefined
  return versionAt(stages, stage)
}

async function look(
  session: Session,
  path: string,
  context: ProviderContext,
): Promise<Stages | undefined | SecretsError> {
  try {
    const found = await describeSecret(session, path, context)
    if (found?.DeletedDate)
      return deletedError(session.situation(context, { action: 'DescribeSecret', path }))
    return found && (found.VersionIdsToStages ?? {})
  } catch (error) {
    if (error instanceof SecretsError) return error
    throw error
  }
}

/** The stages of those that a list shows, in no more pages than asking one by one would take requests. */
async function listStages(
  session: Session,
  memory: Memory,
  paths: readonly string[],
  context: ProviderContext,
): Promise<Map<string, Stages>> {
  const found = new Map<string, Stages>()
  const wanted = new Set(paths.filter((path) => !path.startsWith('arn:')))
  if (memory.listDenied || wanted.size < LIST_FROM) return found
  const prefix = commonPrefix([...wanted])
  let count = 0
  try {
    for await (const page of listPages(session, prefix, context)) {
      count += 1
      for (const { Name: path, SecretVersionsToStages: stages } of objectsIn(page.SecretList))
        if (path !== undefined && stages && wanted.has(path)) found.set(path, stages)
      if (count >= wanted.size - found.size) break
    }
  } catch (error) {
    if (!(error instanceof SecretsError)) throw error
    if (error.code !== 'PERMISSION_DENIED' && error.code !== 'UNSUPPORTED') throw error
    memory.listDenied = true
    context.debug(`${context.name}: no ListSecrets, looking at each secret`)
  }
  return found
}

function commonPrefix(names: readonly string[]): string {
  const [first = '', ...others] = names
  let length = first.length
  for (const other of others) while (!other.startsWith(first.slice(0, length))) length -= 1
  return first.slice(0, length)
}
