import type { DashboardRequests, DashboardState, Problem } from '../api.ts'
import { connect, lost, takeState } from './connection.ts'
import { isProblem } from './list.ts'
import { Failure, Gone, post, Refused } from './requests.ts'
import { change, now } from './store.ts'

type Changing = Exclude<keyof DashboardRequests, 'reveal'>

/**
 * One request that changes something. Pressed twice it is sent once.
 * @param key what is busy meanwhile
 * @returns the problem, when there was one
 */
async function act<Route extends Changing>(
  key: string,
  route: Route,
  body: DashboardRequests[Route],
  done: (state: DashboardState) => string,
): Promise<Problem | undefined> {
  if (now().busy.has(key)) return undefined
  change({ busy: new Set([...now().busy, key]), notice: undefined })
  try {
    const state = await takeState(() => post(route, body) as Promise<DashboardState>)
    change({ notice: { text: done(state) } })
    return undefined
  } catch (error) {
    return problemOf(error)
  } finally {
    const busy = new Set(now().busy)
    busy.delete(key)
    change({ busy })
  }
}

/** What to tell of a request that failed. That nobody answers is told by the connection as well. */
export function problemOf(error: unknown): Problem {
  if (error instanceof Failure) return error.problem
  if (error instanceof Refused) {
    lost(error)
    return { code: 'REFUSED', message: 'The server does not know this page’s token.' }
  }
  if (!(error instanceof Gone)) throw error
  if (now().connection.is === 'live') connect()
  return { code: 'GONE', message: 'The server does not answer.', hint: 'Start it again, then repeat this.' }
}

/** Shows a problem of a request that no dialog stands for. */
async function told(text: string, request: Promise<Problem | undefined>): Promise<void> {
  const problem = await request
  if (problem) change({ notice: { text, problem } })
}

export async function refreshAll(): Promise<void> {
  if (now().refreshing !== undefined) return
  change({ refreshing: Date.now() })
  const before = now().state
  await told(
    'Could not refresh.',
    act('refresh', 'refresh', {}, (state) => refreshText(before, state)),
  )
  change({ refreshing: undefined })
}

export function refreshOne(name: string): Promise<void> {
  const before = now().state
  return told(
    `Could not refresh ${name}.`,
    act(`refresh ${name}`, 'refresh', { name }, (state) => {
      const error = state.secrets.find((secret) => secret.name === name)?.error
      if (error) return `${name}: ${error.message}`
      return changedNames(before, state).includes(name) ? `${name} has changed.` : `${name} is up to date.`
    }),
  )
}

export const testProvider = (provider: string): Promise<void> =>
  told(
    `Could not test ${provider}.`,
    act(`test ${provider}`, 'test', { provider }, (state) => {
      const checks = state.providers.find(({ name }) => name === provider)?.checks ?? []
      const failed = checks.filter(({ ok }) => !ok).length
      return failed === 0
        ? `${provider}: all ${checks.length} checks passed.`
        : `${provider}: ${failed} of ${checks.length} checks failed.`
    }),
  )

export const switchProfile = (name: string | null): Promise<void> =>
  told(
    `Could not switch to ${name ?? 'no profile'}.`,
    act('profile', 'profile', { name }, () =>
      name === null ? 'Without a profile now.' : `Profile ${name}.`,
    ),
  )

export const setLocal = (name: string, value: string): Promise<Problem | undefined> =>
  act(`set ${name}`, 'set', { name, value }, () => `${name} is set.`)

export const removeLocal = (name: string): Promise<Problem | undefined> =>
  act(`unset ${name}`, 'unset', { name }, () => `${name} is removed.`)

export const moveToLocal = (name: string, replace: boolean): Promise<Problem | undefined> =>
  act(`move ${name}`, 'move-to-local', { name, replace }, () => `${name} is local now.`)

export const link = (request: DashboardRequests['link']): Promise<Problem | undefined> =>
  act('link', 'link', request, () => `${request.environment} is linked.`)

export const unlink = (environment: string): Promise<Problem | undefined> =>
  act(`unlink ${environment}`, 'unlink', { environment }, () => `${environment} is unlinked.`)

/** The names whose value is another one, as far as versions tell. */
function changedNames(before: DashboardState | undefined, after: DashboardState): string[] {
  const versions = new Map(before?.secrets.map(({ name, version }) => [name, version]))
  return after.secrets.filter(({ name, version }) => versions.get(name) !== version).map(({ name }) => name)
}

function refreshText(before: DashboardState | undefined, after: DashboardState): string {
  const changed = changedNames(before, after)
  const problems = after.secrets.filter(isProblem).length
  const first = changed.length === 0 ? 'Nothing has changed' : `Changed: ${changed.join(', ')}`
  return problems === 0 ? `${first}.` : `${first}. ${problems} with a problem.`
}
