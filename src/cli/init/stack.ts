/** What a project is built with, and the one line it needs. */
export interface Stack {
  /** For a person: `Vite`, `Nuxt`. */
  readonly name: string
  /** The entry of this package. */
  readonly entry: string
  /** The file that gets the line. */
  readonly file: string
  /** The line itself. */
  readonly line: string
  /** Names that this stack shows to browsers by its own rule. */
  readonly publicPrefixes: readonly string[]
}

interface Known extends Omit<Stack, 'file'> {
  /** Any of these dependencies. */
  readonly packages: readonly string[]
  /** Base names of its configuration file; the first one where there is none yet. */
  readonly configs: readonly string[]
}

const PLUGIN = 'plugins: [secrets()]'
const IN_VITE = 'vite: { plugins: [secrets()] }'
const VITE = { entry: 'vite', line: PLUGIN, configs: ['vite.config'], publicPrefixes: ['VITE_'] }

/** Frameworks before the bundlers they stand on. */
const KNOWN: readonly Known[] = [
  {
    ...VITE,
    name: 'Nuxt',
    line: IN_VITE,
    packages: ['nuxt'],
    configs: ['nuxt.config'],
    publicPrefixes: ['NUXT_PUBLIC_', 'VITE_'],
  },
  {
    ...VITE,
    name: 'Astro',
    line: IN_VITE,
    packages: ['astro'],
    configs: ['astro.config'],
    publicPrefixes: ['PUBLIC_'],
  },
  { ...VITE, name: 'SvelteKit', packages: ['@sveltejs/kit'], publicPrefixes: ['PUBLIC_', 'VITE_'] },
  { ...VITE, name: 'React Router', packages: ['@react-router/dev'] },
  { ...VITE, name: 'TanStack Start', packages: ['@tanstack/react-start', '@tanstack/solid-start'] },
  {
    name: 'Next',
    entry: 'webpack',
    line: 'webpack(config) { config.plugins.push(secrets()); return config }',
    packages: ['next'],
    configs: ['next.config'],
    publicPrefixes: ['NEXT_PUBLIC_'],
  },
  { ...VITE, name: 'Vite', packages: ['vite'] },
  {
    name: 'Rspack',
    entry: 'rspack',
    line: PLUGIN,
    packages: ['@rspack/core', '@rspack/cli'],
    configs: ['rspack.config'],
    publicPrefixes: [],
  },
  {
    name: 'webpack',
    entry: 'webpack',
    line: PLUGIN,
    packages: ['webpack'],
    configs: ['webpack.config'],
    publicPrefixes: [],
  },
  {
    name: 'Rolldown',
    entry: 'rolldown',
    line: PLUGIN,
    packages: ['rolldown'],
    configs: ['rolldown.config'],
    publicPrefixes: [],
  },
  {
    name: 'Rollup',
    entry: 'rollup',
    line: PLUGIN,
    packages: ['rollup'],
    configs: ['rollup.config'],
    publicPrefixes: [],
  },
  {
    name: 'Farm',
    entry: 'farm',
    line: PLUGIN,
    packages: ['@farmfe/core'],
    configs: ['farm.config'],
    publicPrefixes: [],
  },
  {
    name: 'Bun',
    entry: 'bun',
    line: PLUGIN,
    packages: ['bun', '@types/bun'],
    configs: ['build'],
    publicPrefixes: [],
  },
  {
    name: 'esbuild',
    entry: 'esbuild',
    line: PLUGIN,
    packages: ['esbuild'],
    configs: ['esbuild.config', 'build'],
    publicPrefixes: [],
  },
]

/** @param files the names of the files in the project's folder */
export function detectStack(packages: ReadonlySet<string>, files: readonly string[]): Stack | undefined {
  const fileOf = ({ configs }: Known): string | undefined =>
    files.find((file) =>
      configs.some((base) => new RegExp(`^${base.replaceAll('.', '\\.')}\\.[cm]?[jt]s$`).test(file)),
    )
  const found =
    KNOWN.find((each) => each.packages.some((name) => packages.has(name))) ??
    KNOWN.find((each) => fileOf(each) !== undefined)
  if (!found) return undefined
  const { name, entry, line, publicPrefixes } = found
  return { name, entry, line, publicPrefixes, file: fileOf(found) ?? `${found.configs[0]}.js` }
}
