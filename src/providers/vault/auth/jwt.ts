import { reasonOf, SecretsError } from '../../../core/errors.ts'
import { missing, postLogin, readCredential } from './login.ts'
import type { AuthMethod, LoginContext } from './method.ts'

/** A signed identity token: the one that a CI gives to each job. */
export interface JwtAuth {
  readonly method: 'jwt'
  /** The role of the method. Default: `VAULT_ROLE`, else the method's own default. */
  readonly role?: string | undefined
  /** The token itself. */
  readonly jwt?: string | undefined
  /** A file that holds it, read at each login. */
  readonly jwtFile?: string | undefined
  /**
   * The environment variable that holds it: GitLab's `id_tokens` name one. Default: `VAULT_ID_TOKEN`; in GitHub
   * Actions with `id-token: write` the job's token is asked for instead.
   */
  readonly jwtEnv?: string | undefined
  /** Whom GitHub's token is for (`bound_audiences` of the role). Default: GitHub's own. */
  readonly audience?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'jwt'`. */
  readonly mount?: string | undefined
}

export const jwtMethod: AuthMethod<JwtAuth> = {
  renewHint: "Check the role's token_ttl: its tokens are refused right after the login.",
  async login(options, context) {
    const role = options.role || process.env.VAULT_ROLE
    const jwt = await identityToken(options, context)
    const path = `auth/${options.mount || 'jwt'}/login`
    const hint =
      "The role must be there, its bound claims and audience must fit the token's, and the token must not have expired (clocks!)."
    return postLogin(path, { jwt, ...(role ? { role } : {}) }, { method: 'JWT', hint, context })
  },
}

async function identityToken(options: JwtAuth, context: LoginContext): Promise<string> {
  if (options.jwt) return options.jwt
  if (options.jwtFile) return readCredential(options.jwtFile, 'auth.jwtFile', context)
  const { ACTIONS_ID_TOKEN_REQUEST_URL: url, ACTIONS_ID_TOKEN_REQUEST_TOKEN: bearer } = process.env
  const named = process.env[options.jwtEnv || 'VAULT_ID_TOKEN']
  if (named) return named
  if (!options.jwtEnv && url && bearer) return githubToken(url, bearer, options.audience, context)
  throw missing(
    'identity token',
    'JWT',
    options.jwtEnv
      ? `${options.jwtEnv} is not set or empty.`
      : 'GitHub Actions: give the job `permissions: id-token: write`. GitLab: id_tokens: VAULT_ID_TOKEN: aud: …\nElsewhere set auth.jwtFile or auth.jwtEnv.',
  )
}

/** https://docs.github.com/en/actions/reference/security/oidc#methods-for-requesting-the-oidc-token */
async function githubToken(
  address: string,
  bearer: string,
  audience: string | undefined,
  { signal, userAgent }: LoginContext,
): Promise<string> {
  const failed = (why: string) =>
    new SecretsError('LOGIN_REFUSED', `GitHub gave no identity token for this job: ${why}.`, {
      hint: 'Give the job `permissions: id-token: write`.',
    })
  if (!URL.canParse(address)) throw failed('ACTIONS_ID_TOKEN_REQUEST_URL is no address')
  const url = new URL(address)
  if (audience) url.searchParams.set('audience', audience)
  try {
    const headers = { authorization: `Bearer ${bearer}`, 'user-agent': userAgent }
    // A redirect would carry the job's own token to another host.
    const response = await fetch(url, { headers, redirect: 'error', signal })
    const { value } = response.ok ? ((await response.json()) as { value?: unknown }) : {}
    if (typeof value === 'string') return value
    throw failed(`it answered ${response.status}`)
  } catch (error) {
    if (error instanceof SecretsError) throw error
    if (signal.aborted) throw new SecretsError('TIMEOUT', 'GitHub gave no identity token in time.')
    throw failed(reasonOf((error as Error).cause ?? error))
  }
}
