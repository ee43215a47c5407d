import { missing, postLogin } from './login.ts'
import type { AuthMethod } from './method.ts'

/** A personal access token of GitHub. */
export interface GitHubAuth {
  readonly method: 'github'
  /** Default: `VAULT_AUTH_GITHUB_TOKEN`. */
  readonly token?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'github'`. */
  readonly mount?: string | undefined
}

export const githubMethod: AuthMethod<GitHubAuth> = {
  renewHint: 'Check token_ttl at the method: its tokens are refused right after the login.',
  async login(options, context) {
    const token = options.token || process.env.VAULT_AUTH_GITHUB_TOKEN
    if (!token) throw missing('GitHub token', 'GitHub', 'Set auth.token or VAULT_AUTH_GITHUB_TOKEN.')
    const hint = 'The GitHub token is wrong, has no read:org scope, or its owner is not in the organisation.'
    return postLogin(
      `auth/${options.mount || 'github'}/login`,
      { token },
      { method: 'GitHub', hint, context },
    )
  },
}
