import type { Syntax } from './rollup-hooks.ts'
import type { RollupKind } from './rollup-plugin.ts'

/** Rollup runs in the current folder and bundles JavaScript; what else there is, plugins have made into it. */
export const rollupKind: RollupKind = {
  root: () => undefined,
  // It bundles for nobody in particular.
  edge: () => false,
  replaces: false,
  syntaxOf: (options) => {
    const { jsx } = options as { jsx?: unknown }
    const syntax: Syntax = jsx ? { plain: false, parser: { jsx: true } } : { plain: true }
    return () => syntax
  },
}

/** Rolldown compiles TypeScript and JSX itself, after all plugins; what is no code it makes into it there too. */
export const rolldownKind: RollupKind = {
  root: (options) => (options as { cwd?: string }).cwd,
  // Without a word it is taken for Node's.
  edge: (options) => ((options as { platform?: string }).platform ?? 'node') !== 'node',
  replaces: true,
  syntaxOf: () => (_, moduleType) => SYNTAXES.get(moduleType ?? 'js'),
}

const SYNTAXES = new Map<string, Syntax>([
  ['js', { plain: true }],
  ...['jsx', 'ts', 'tsx'].map((lang): [string, Syntax] => [
    lang,
    { plain: false, parser: { lang, astType: 'ts' } },
  ]),
])
