import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { build, createBuilder, type InlineConfig, type Logger } from 'vite'
import secrets from '../../src/bundlers/vite.ts'
import type { SecretsConfig } from '../../src/core/types.ts'
import { local } from '../../src/providers/index.ts'
import { contextFor, makeWorkspace, type Workspace } from './workspace.ts'

export interface Project extends Workspace {
  /** Writes files, relative to the root. */
  write(files: Record<string, string>): void
  /** Everything that Vite and the plugin said. */
  readonly output: string[]
  readonly logger: Logger
}

/** A folder with files, and values in its local vault. */
export async function makeProject(
  files: Record<string, string>,
  values: Record<string, string>,
): Promise<Project> {
  const workspace = makeWorkspace()
  const write = (all: Record<string, string>): void => {
    for (const [name, text] of Object.entries(all)) {
      mkdirSync(dirname(join(workspace.root, name)), { recursive: true })
      writeFileSync(join(workspace.root, name), text)
    }
  }
  write({ 'package.json': '{ "name": "app", "type": "module" }', ...files })
  const vault = local()
  for (const [path, value] of Object.entries(values))
    await vault.write!({ path, value }, contextFor(workspace.root))
  const output: string[] = []
  const say = (message: string): void => void output.push(message)
  const logger: Logger = {
    info: say,
    warn: say,
    warnOnce: say,
    error: (message, options) => output.push(`${message}\n${options?.error?.stack ?? ''}`),
    clearScreen: () => {},
    hasErrorLogged: () => false,
    hasWarned: false,
  }
  return { ...workspace, write, output, logger }
}

/** Declares each name from the local vault. */
export function fromLocal(names: readonly string[], more: SecretsConfig = {}): SecretsConfig {
  return {
    providers: { local: local() },
    secrets: Object.fromEntries(names.map((name) => [name, `local:${name}`])),
    ...more,
  }
}

/** The Vite configuration of a test: nothing from files, nothing printed. */
export function viteConfig(
  project: Project,
  config: SecretsConfig | undefined,
  more: InlineConfig = {},
): InlineConfig {
  return {
    root: project.root,
    configFile: false,
    customLogger: project.logger,
    ...more,
    plugins: [...(more.plugins ?? []), secrets(config)],
  }
}

/** Builds the client, from `index.html` or `src/main.ts`. */
export async function buildClient(
  project: Project,
  config: SecretsConfig,
  more: InlineConfig = {},
): Promise<void> {
  await build(
    viteConfig(project, config, {
      ...more,
      build: { outDir: 'dist', minify: false, ...more.build },
    }),
  )
}

/** Builds the client and the server in one run, the way `vite build --app` does. */
export async function buildApp(
  project: Project,
  config: SecretsConfig,
  more: InlineConfig = {},
): Promise<void> {
  const builder = await createBuilder(
    viteConfig(project, config, {
      ...more,
      build: { outDir: 'dist/client', sourcemap: true, ...more.build },
      environments: more.environments ?? {
        ssr: {
          build: {
            outDir: 'dist/server',
            ssr: true,
            sourcemap: true,
            rolldownOptions: { input: 'src/server.ts' },
          },
        },
      },
      builder: {},
    }),
  )
  await builder.buildApp()
}

/** The text of a failure; a build that does not fail fails the test. */
export async function failure(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
  throw new Error('The build went through, though it must not.')
}
