import type { JsonObject } from '../../../core/types.ts'
import type { Answer } from '../transport.ts'

/** What a method may use while it logs in. */
export interface LoginContext {
  /** For messages. */
  readonly url: string
  /** A POST without a token, in the login's namespace. */
  write(path: string, body: JsonObject): Promise<Answer>
}

/** One way to log in. A new one is one file here and one line in `index.ts`. */
export interface AuthMethod<Options extends { readonly method: string }> {
  /** Every option there is, besides `method`; all are text. */
  readonly options: readonly Exclude<keyof Options & string, 'method'>[]
  /** What makes the same login again, without credentials: a built server carries it. */
  settings(options: Options): JsonObject
  /**
   * @returns a token
   * @throws SecretsError `CREDENTIALS_MISSING`, `LOGIN_REFUSED`, or what kept the server from answering
   */
  login(options: Options, context: LoginContext): Promise<string>
  /** What the person can do when the server no longer knows the token. */
  readonly renewHint: string
}
