import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import type { SecretsManager, SecretsManagerClientConfig } from '@aws-sdk/client-secrets-manager'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext } from '../../core/types.ts'
import { type AwsAuth, type AwsOptions, chosenAuth, knownRegion } from './options.ts'

/** The connections, which outlive a login. */
export interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpsAgent
}

export function createAgents(maxSockets: number): Agents {
  const options = { keepAlive: true, maxSockets }
  return { httpAgent: quiet(new HttpAgent(options)), httpsAgent: quiet(new HttpsAgent(options)) }
}

/** What Node calls on an agent for each request; its types leave it out. */
interface Adding {
  addRequest(request: unknown, options: object, ...more: unknown[]): void
}

/** Node prints an agent's options with `NODE_DEBUG=http`, the headers of the request that opens a socket among them. */
function quiet<T extends HttpAgent>(agent: T): T {
  const adding = agent as unknown as Adding
  const add = adding.addRequest
  adding.addRequest = (request, { ...options }, ...more) => {
    add.call(agent, request, Object.assign(options, { headers: undefined, auth: undefined }), ...more)
  }
  return agent
}

export interface Opened {
  readonly api: SecretsManager
  readonly region: string
}

/**
 * Imports the SDK and makes its client; nothing is sent.
 * @param fresh whether the shared files must be read anew, not taken from the SDK's memory
 * @throws SecretsError for a missing choice, key or region; what the SDK throws for its settings
 */
export async function connect(
  options: AwsOptions,
  context: ProviderContext,
  agents: Agents,
  fresh: boolean,
): Promise<Opened> {
  const auth = chosenAuth(options, context.name)
  const { SecretsManager } = await import('@aws-sdk/client-secrets-manager')
  const region = knownRegion(options)
  const [product, version] = context.userAgent.split(' ')[0]!.split('/')
  const config: SecretsManagerClientConfig = {
    ...(region !== undefined && { region }),
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(auth.method === 'profile' && { profile: auth.profile }),
    // The core tries again, within one deadline over everything.
    maxAttempts: 1,
    requestHandler: agents,
    customUserAgent: [version === undefined ? [product!] : [product!, version]],
  }
  if (auth.method === 'keys') {
    config.credentials = {
      accessKeyId: auth.accessKeyId!,
      secretAccessKey: auth.secretAccessKey!,
      ...(auth.sessionToken && { sessionToken: auth.sessionToken }),
    }
  } else {
    const { fromIni, fromNodeProviderChain } = await import('@aws-sdk/credential-providers')
    // The clients of STS and SSO send tokens too, so they get the same quiet agents.
    const shared = { ignoreCache: fresh, clientConfig: { requestHandler: agents } }
    config.credentials =
      auth.method === 'profile'
        ? // The default chain would go on to another identity when the profile is not there.
          fromIni({ ...shared, profile: auth.profile })
        : fromNodeProviderChain(shared)
  }
  const api = withoutNodeWarning(() => new SecretsManager(config))
  return { api, region: await resolveRegion(api, context, auth) }
}

async function resolveRegion(api: SecretsManager, context: ProviderContext, auth: AwsAuth): Promise<string> {
  try {
    return await api.config.region()
  } catch {
    const profile = auth.method === 'profile' ? `, or a region to the profile ${auth.profile}` : ''
    throw new SecretsError(
      'CONFIG_INVALID',
      `The provider ${context.name} does not know its AWS region: region is missing.`,
      {
        hint: `Give aws({ region: 'eu-west-1' }), or set AWS_REGION${profile}.`,
      },
    )
  }
}

/**
 * The SDK prints a warning about old Node versions once a process, when the first client is made; it has
 * only an environment variable against it, which it reads in that moment.
 */
function withoutNodeWarning<T>(make: () => T): T {
  const name = 'AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'
  const before = process.env[name]
  process.env[name] = 'true'
  try {
    return make()
  } finally {
    if (before === undefined) delete process.env[name]
    else process.env[name] = before
  }
}
