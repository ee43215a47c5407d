import { missing, postLogin } from './login.ts'
import type { AuthMethod } from './method.ts'

/** The client certificate of the connection: `tls.cert` or `tls.certFile`. */
export interface CertAuth {
  readonly method: 'cert'
  /** The role to try. Default: every role that trusts the certificate. */
  readonly role?: string | undefined
  /** Where the method is mounted below `auth/`. Default `'cert'`. */
  readonly mount?: string | undefined
}

export const certMethod: AuthMethod<CertAuth> = {
  renewHint: "Check the role's token_ttl: its tokens are refused right after the login.",
  async login({ role, mount }, context) {
    if (!context.certificate)
      throw missing(
        'client certificate',
        'certificate',
        'Set tls.certFile and tls.keyFile (or tls.cert and tls.key), and an https url.',
      )
    const path = `auth/${mount || 'cert'}/login`
    const hint = 'No role there trusts this certificate, or its name, or it has expired.'
    return postLogin(path, role ? { name: role } : {}, { method: 'certificate', hint, context })
  },
}
