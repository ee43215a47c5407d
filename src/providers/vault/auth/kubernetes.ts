import { missing, postLogin, readCredential } from './login.ts'
import type { AuthMethod } from './method.ts'

const SERVICE_ACCOUNT = '/var/run/secrets/kubernetes.io/serviceaccount/token'

/** The token of a pod's service account. */
export interface KubernetesAuth {
  readonly method: 'kubernetes'
  /** The role of the method. Default: `VAULT_ROLE`. */
  readonly role?: string | undefined
  /** The file of the token, read at each login: Kubernetes replaces it. Default: where a pod has it. */
  readonly jwtFile?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'kubernetes'`. */
  readonly mount?: string | undefined
}

export const kubernetesMethod: AuthMethod<KubernetesAuth> = {
  renewHint: "Check the role's token_ttl: its tokens are refused right after the login.",
  async login(options, context) {
    const role = options.role || process.env.VAULT_ROLE
    if (!role) throw missing('role', 'Kubernetes', 'Set auth.role or VAULT_ROLE.')
    const jwt = await readCredential(options.jwtFile || SERVICE_ACCOUNT, 'auth.jwtFile', context)
    const path = `auth/${options.mount || 'kubernetes'}/login`
    const hint = `The role ${role} must be there and name this pod's service account and namespace.`
    return postLogin(path, { role, jwt }, { method: 'Kubernetes', hint, context })
  },
}
