/**
 * Gives the virtual modules their content. Loaded by webpack or Rspack itself, so it finds the plugin through
 * the compiler and not through a module of its own, of which there might be two.
 */
import type { LoaderContext } from './compiler-types.ts'

export default function load(this: LoaderContext): void {
  // Maps lead to what an author wrote. With the text of this module they would hold values that no code uses.
  this.callback(null, bridgeOf(this).load(this), { version: 3, sources: [], names: [], mappings: '' })
}

/** What the plugin leaves on its compiler for the loaders. */
export interface Bridge {
  load(context: LoaderContext): string
  rewrite(
    context: LoaderContext,
    code: string,
    map: unknown,
  ): Promise<{ code: string; map: unknown } | undefined>
}

export const BRIDGE = Symbol.for('unplugin-secrets.compiler.v1')

export function bridgeOf(context: LoaderContext): Bridge {
  const compiler = (context._compiler.root ?? context._compiler) as unknown as { [BRIDGE]?: Bridge }
  return compiler[BRIDGE]!
}
