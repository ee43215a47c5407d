/** Rewrites the few modules that a rule sends here because they may read a secret. */
import type { Buffer } from 'node:buffer'
import type { LoaderContext } from './compiler-types.ts'
import { bridgeOf } from './webpack-loader.ts'

/** What is no JavaScript goes on as it came, whatever its encoding. */
export const raw = true

export default function rewrite(this: LoaderContext, content: Buffer, map: unknown): void {
  if (!this._module.type.startsWith('javascript/')) {
    this.callback(null, content, map)
    return
  }
  // It would be sent back with the module and compiled again there, each time.
  const item = this.loaders[this.loaderIndex]?.loaderItem
  if (item) item.codeFilter = undefined
  const done = this.async()
  bridgeOf(this)
    .rewrite(this, content.toString('utf8').replace(/^\uFEFF/, ''), map)
    .then(
      (output) => done(null, output?.code ?? content, output ? output.map : map),
      (error: Error) => done(error),
    )
}
