import type { JsonObject } from '../../../core/types.ts'
import type { Answer } from '../transport.ts'

/** What a login gave. */
export interface Login {
  readonly token: string
  /** Its life in s; 0: it never ends; `undefined`: nobody said. */
  readonly ttl: number | undefined
  readonly renewable: boolean
  /** A token that this login made and that can be given back. A batch token cannot, one from outside is not ours. */
  readonly ours: boolean
}

/** What a method may use while it logs in. */
export interface LoginContext {
  /** For messages. */
  readonly url: string
  /** The folder of the configuration: relative files are relative to it. */
  readonly root: string
  readonly userAgent: string
  readonly signal: AbortSignal
  /** Whether the connection shows a client certificate. */
  readonly certificate: boolean
  /** A POST in the login's namespace; `token` only to open what is wrapped in it. */
  write(path: string, body: JsonObject, token?: string): Promise<Answer>
  /** A GET without a token, in the login's namespace. `query` is encoded, with its `?`. */
  read(path: string, query: string): Promise<Answer>
  /** Makes something once in the life of the provider: what can be used a single time is kept for the next login. */
  remember(make: () => Promise<string>): Promise<string>
}

/** One way to log in. A new one is one file here, one line in `index.ts` and one in `options.ts`. */
export interface AuthMethod<Options extends { readonly method: string }> {
  /**
   * @throws SecretsError `CREDENTIALS_MISSING`, `LOGIN_REFUSED`, or what kept the server from answering
   */
  login(options: Options, context: LoginContext): Promise<Login>
  /** What the person can do when the server no longer knows the token. */
  readonly renewHint: string
  /**
   * Who makes the next token. `here` (default): this method, by itself. `person`: somebody who has to be asked, so
   * only when one is needed, and without the deadline of the fetch that needs it. `outside`: nothing of ours.
   */
  readonly next?: 'here' | 'person' | 'outside'
}
