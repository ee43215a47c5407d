/** Rewrites the few modules that a rule sends here because they name a secret. */
import type { LoaderContext } from './compiler-types.ts'
import { bridgeOf } from './webpack-loader.ts'

export default function rewrite(this: LoaderContext, code: string, map: unknown): void {
  const done = this.async()
  bridgeOf(this)
    .rewrite(this, code, map)
    .then(
      (output) => done(null, output?.code ?? code, output ? output.map : map),
      (error: Error) => done(error),
    )
}
