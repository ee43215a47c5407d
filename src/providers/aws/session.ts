import type { SecretsManager } from '@aws-sdk/client-secrets-manager'
import type { SecretsErrorCode } from '../../core/errors.ts'
import type { ProviderContext } from '../../core/types.ts'
import { type Agents, connect, createAgents, type Opened } from './connect.ts'
import { abortedError, awsError } from './errors.ts'
import { type AwsOptions, knownEndpoint, knownRegion } from './options.ts'
import type { Action, Situation } from './situation.ts'

/** How long one request may take, credentials included, in ms. */
const REQUEST_TIMEOUT = 10_000

/** What a call is about, for its error. */
export interface About {
  readonly action: Action
  readonly path?: string
}

/** The same before the login is there. */
type Phase = Omit<About, 'action'> & Pick<Situation, 'action'>

/** One login, shared by all calls of a provider. The SDK is imported when the first call needs it. */
export interface Session {
  /**
   * Makes one call, once.
   * @throws SecretsError for whatever goes wrong, `NOT_FOUND` included
   */
  call<T>(
    context: ProviderContext,
    about: About,
    run: (api: SecretsManager, options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T>
  /**
   * Where the credentials come from, for `doctor`.
   * @throws SecretsError when there are none, or no region
   */
  identify(context: ProviderContext): Promise<Identity>
  /** Where and as whom, for errors about an answer. */
  situation(context: ProviderContext, about: About): Situation
  /** As far as it is known: that of a profile only after the first call. */
  region(): string | undefined
  close(): void
}

export interface Identity {
  readonly source: string
  readonly expires: Date | undefined
  readonly region: string
}

/** After these the next call starts from fresh credentials: the person may have logged in meanwhile. */
const LOGIN_FAILED: ReadonlySet<SecretsErrorCode> = new Set([
  'CREDENTIALS_MISSING',
  'LOGIN_REFUSED',
  'TOKEN_INVALID',
])

export function createSession(options: AwsOptions): Session {
  let opened: Promise<Opened> | undefined
  let region: string | undefined
  let loginFailed = false
  let agents: Agents | undefined

  const situation = (context: ProviderContext, about: Phase): Situation => ({
    provider: context.name,
    region: region ?? knownRegion(options) ?? 'an unknown region',
    endpoint: knownEndpoint(options),
    auth: options.auth ?? { method: 'default' },
    ...about,
  })

  const open = (context: ProviderContext): Promise<Opened> => {
    agents ??= createAgents(context.concurrency)
    opened ??= connect(options, context, agents, loginFailed).catch((error) => {
      opened = undefined
      throw error
    })
    return opened
  }

  /** Runs `work` with a login, within the time of one request; its errors become ours. */
  const within = async <T>(
    context: ProviderContext,
    about: About,
    work: (api: SecretsManager, signal: AbortSignal) => Promise<T>,
  ): Promise<T> => {
    const { signal, release } = limited(context.signal)
    let phase: Phase = { ...about, action: 'login' }
    let used: Promise<Opened> | undefined
    const attempt = async () => {
      used = open(context)
      const session = await used
      region = session.region
      await session.api.config.credentials()
      loginFailed = false
      phase = about
      return work(session.api, signal)
    }
    try {
      signal.throwIfAborted()
      return await Promise.race([attempt(), rejectOnAbort(signal)])
    } catch (error) {
      const ours = signal.aborted
        ? abortedError(signal, situation(context, phase))
        : awsError(error, situation(context, phase))
      if (LOGIN_FAILED.has(ours.code) && opened === used) {
        opened = undefined
        loginFailed = true
      }
      throw ours
    } finally {
      release()
    }
  }

  return {
    situation,
    region: () => region ?? knownRegion(options),
    call: (context, about, run) => within(context, about, (api, abortSignal) => run(api, { abortSignal })),
    identify: (context) =>
      within(context, { action: 'ListSecrets' }, async (api) => {
        const { $source, expiration } = (await api.config.credentials()) as {
          $source?: Record<string, string>
          expiration?: Date
        }
        return {
          source: sourceOf(Object.keys($source ?? {})),
          expires: expiration,
          region: await api.config.region(),
        }
      }),
    close() {
      agents?.httpAgent.destroy()
      agents?.httpsAgent.destroy()
      void opened?.then(({ api }) => api.destroy()).catch(() => {})
      opened = undefined
      agents = undefined
    },
  }
}

/**
 * A signal for one request: the caller's, or the time of one request. Not the SDK's `requestTimeout`,
 * which ends with the first byte of the answer and leaves out the login.
 */
function limited(caller: AbortSignal): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const follow = () => controller.abort(caller.reason)
  if (caller.aborted) follow()
  caller.addEventListener('abort', follow, { once: true })
  const timer = setTimeout(() => controller.abort(new DOMException('', 'TimeoutError')), REQUEST_TIMEOUT)
  const release = () => {
    clearTimeout(timer)
    caller.removeEventListener('abort', follow)
  }
  return { signal: controller.signal, release }
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}

/** The SDK's marks of where credentials came from, the most telling first. */
const SOURCES: readonly (readonly [mark: string, words: string])[] = [
  ['CREDENTIALS_STS_ASSUME_ROLE_WEB_ID', 'a role by web identity'],
  ['CREDENTIALS_STS_ASSUME_ROLE', 'an assumed role'],
  ['CREDENTIALS_SSO', 'SSO'],
  ['CREDENTIALS_SSO_LEGACY', 'SSO'],
  ['CREDENTIALS_LOGIN', 'aws login'],
  ['CREDENTIALS_PROCESS', 'a credential process'],
  ['CREDENTIALS_HTTP', 'the container'],
  ['CREDENTIALS_IMDS', 'the instance'],
  ['CREDENTIALS_ENV_VARS', 'the environment variables'],
  ['CREDENTIALS_PROFILE', 'the shared files'],
  ['CREDENTIALS_CODE', 'the configuration'],
]

function sourceOf(marks: readonly string[]): string {
  return SOURCES.find(([mark]) => marks.includes(mark))?.[1] ?? 'the AWS SDK'
}
