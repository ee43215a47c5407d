import { basename, dirname, join } from 'node:path'
import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import type { Project } from '../init/project.ts'
import type { ProviderChoice } from '../init/write-config.ts'
import { colors, count, result } from '../output.ts'

export default command({
  name: 'init',
  description: 'Set up a project: writes secrets.config and a line in .gitignore, and says what to do next',
  examples: [
    ['secrets init', 'looks around, asks, and writes'],
    ['secrets init --yes', 'takes what it finds, and asks nothing'],
    ['secrets init --provider vault,local', 'these and no others'],
    ['secrets init --vault-env --url http://127.0.0.1:8787', 'makes a project on a vault-env server too'],
  ],
  args: {
    provider: {
      type: 'string',
      description: 'local, dotenv, vault, aws or vaultEnv; several with commas',
      valueHint: 'name',
    },
    'vault-env': {
      type: 'boolean',
      description: 'Make a project on a vault-env server first, and put its key into .env',
    },
    url: { type: 'string', description: 'With --vault-env: the server; else VAULT_URL', valueHint: 'url' },
    name: {
      type: 'string',
      description: 'With --vault-env: the name of the project (default: of the folder)',
      valueHint: 'name',
    },
    yes: { type: 'boolean', alias: 'y', description: 'Ask nothing' },
    force: { type: 'boolean', description: 'Write the configuration anew' },
  },
  async run({ flags, list }) {
    const { rootOf } = await import('../context.ts')
    const { findConfig } = await import('../../core/config/find.ts')
    const { lookAt } = await import('../init/project.ts')
    const { configText, publicNames, PROVIDERS } = await import('../init/write-config.ts')
    const { writeAtomic } = await import('../../core/files.ts')
    const found = findConfig(rootOf(flags))
    const existing = found.files.find(({ kind }) => kind === 'workspace')?.file
    const { root } = found
    const asked = chosenProviders(
      [...list('provider'), ...(flags['vault-env'] ? ['vaultEnv'] : [])],
      PROVIDERS,
    )
    // First: without a project on the server there is nothing to configure.
    const made = flags['vault-env'] ? await makeVaultEnvProject(root, flags) : undefined
    const project = lookAt(root)

    const keep = existing !== undefined && !flags.force
    const chosen = keep ? [] : (asked ?? (await choose(project, flags.yes === true)))
    const reusable = existing !== undefined && !existing.endsWith('.json') ? existing : undefined
    const file = keep
      ? existing
      : (reusable ?? join(root, `secrets.config.${project.typescript ? 'ts' : 'mjs'}`))
    if (!keep) await writeAtomic(file, configText(project, chosen, flags.url), { mode: 0o644 })
    const ignored = await ignoreLines(root, ['.secrets/', ...(flags['vault-env'] ? ['.env'] : [])])

    const shown = chosen.includes('dotenv') ? publicNames(project) : []
    const names = chosen.includes('dotenv') ? project.envNames : []
    const types = keep ? undefined : await writeTypesOf(project, root, file, names, shown)
    const next = nextSteps(project, chosen, keep && made !== undefined)
    const data = {
      root,
      config: file,
      written: !keep,
      ignored: ignored.length > 0,
      types: types ?? null,
      providers: chosen,
      names,
      client: shown,
      stack: project.stack?.name ?? null,
      ...(made && { project: { projectId: made.projectId, device: made.device } }),
      next,
    }
    result(flags.json === true, data, () =>
      [
        ...(made?.lines ?? []),
        keep
          ? `${basename(file)} is there already, and stays as it is (--force writes it anew).`
          : `${colors.green('Wrote')} ${basename(file)} with ${chosen.join(', ')}.`,
        ...(names.length > 0
          ? [`  ${count(names.length, 'name')} from ${project.envFiles.join(', ')}; no value was copied.`]
          : []),
        ...(shown.length > 0
          ? [
              `  In the client list, because ${project.stack?.name ?? 'Vite'} shows them to browsers already: ${shown.join(', ')}.`,
            ]
          : []),
        ...(ignored.length > 0 ? [`${colors.green('Added')} ${ignored.join(' and ')} to .gitignore.`] : []),
        ...(types ? [`${colors.green('Wrote')} ${types}: the types of the names.`] : []),
        ...seen(project, chosen),
        '',
        colors.bold('Next'),
        ...next.map((step, index) => `  ${index + 1}. ${step}`),
      ].join('\n'),
    )
  },
})

function chosenProviders(
  given: readonly string[],
  known: readonly ProviderChoice[],
): ProviderChoice[] | undefined {
  const unknown = given.find((name) => !(known as readonly string[]).includes(name))
  if (unknown !== undefined)
    throw usageError(`--provider does not know ${unknown}.`, `Known: ${known.join(', ')}.`)
  return given.length === 0 ? undefined : ([...new Set(given)] as ProviderChoice[])
}

async function choose(project: Project, yes: boolean): Promise<ProviderChoice[]> {
  const { defaultProviders } = await import('../init/write-config.ts')
  const prompts = await import('../prompt.ts')
  const usual = defaultProviders(project)
  if (yes || !prompts.canAsk()) return usual
  const { envFiles, vault, aws } = project
  const options = [
    { value: 'local', label: 'An encrypted file in the project', hint: 'nothing to install' },
    { value: 'dotenv', label: '.env files', hint: envFiles.join(', ') || 'there are none' },
    { value: 'vault', label: 'HashiCorp Vault or OpenBao', hint: vault ? `found ${vault}` : 'not logged in' },
    { value: 'aws', label: 'AWS Secrets Manager', hint: aws ? `found ${aws.seen}` : 'not logged in' },
  ] as const
  return prompts.choose<ProviderChoice>('Where are the secrets?', options, usual)
}

/** From the names alone: the configuration may not be importable yet. @returns the file, when one was written */
async function writeTypesOf(
  project: Project,
  root: string,
  config: string,
  names: readonly string[],
  client: readonly string[],
): Promise<string | undefined> {
  if (!project.typescript) return undefined
  const { generateTypes } = await import('../../core/expose/dts.ts')
  const { defaultTypesFile, writeTypes } = await import('../../core/expose/types-file.ts')
  const file = defaultTypesFile(root)
  const text = generateTypes({
    config: { secrets: new Map(), client, files: [config], origins: new Map() },
    names: [...names].sort(),
    folder: dirname(join(root, file)),
  })
  return (await writeTypes(join(root, file), text)) ? file : undefined
}

/** @returns the lines that had to be added */
async function ignoreLines(root: string, wanted: readonly string[]): Promise<string[]> {
  const file = join(root, '.gitignore')
  const { readIfExists, writeAtomic } = await import('../../core/files.ts')
  const before = (await readIfExists(file))?.toString() ?? ''
  const bare = (line: string): string => line.trim().replace(/^\/|\/$/g, '')
  const lines = before.split(/\r?\n/).map(bare)
  const added = wanted.filter((line) => !lines.includes(bare(line)))
  if (added.length === 0) return []
  const gap = before === '' || before.endsWith('\n') ? '' : '\n'
  await writeAtomic(file, `${before}${gap}${added.map((line) => `${line}\n`).join('')}`, { mode: 0o644 })
  return added
}

/** A machine that has the project's key already makes no second one. */
async function makeVaultEnvProject(
  root: string,
  flags: { readonly url: string | undefined; readonly name: string | undefined },
): Promise<{ projectId: string | null; device: object | null; lines: string[] }> {
  const { placeOf } = await import('../vault-env/target.ts')
  const { describeProject, makeProject } = await import('../vault-env/make-project.ts')
  const place = placeOf({ root, url: flags.url, file: undefined })
  if (place.key !== undefined)
    return { projectId: null, device: null, lines: ['VAULT_KEY is there already: no new project was made.'] }
  const name = flags.name ?? basename(root)
  const made = await makeProject(name, place)
  return { ...made, lines: describeProject(name, made) }
}

function seen({ vault, aws }: Project, chosen: readonly ProviderChoice[]): string[] {
  return [
    ...(vault && !chosen.includes('vault')
      ? [`A Vault login is here too (${vault}): --provider vault uses it.`]
      : []),
    ...(aws && !chosen.includes('aws')
      ? [`An AWS login is here too (${aws.seen}): --provider aws uses it.`]
      : []),
  ]
}

function nextSteps(
  { stack, installed, packageManager }: Project,
  chosen: readonly ProviderChoice[],
  lacksVaultEnv: boolean,
): string[] {
  const install = { npm: 'npm install -D', pnpm: 'pnpm add -D', yarn: 'yarn add -D', bun: 'bun add -d' }
  return [
    ...(installed ? [] : [`${install[packageManager]} unplugin-secrets`]),
    ...(lacksVaultEnv
      ? ["In the configuration: vaultEnv() under providers, and import: ['vaultEnv:*']"]
      : []),
    ...(chosen.includes('local') || chosen.includes('vaultEnv') ? ['npx secrets set NAME'] : []),
    stack
      ? `In ${stack.file}: import secrets from 'unplugin-secrets/${stack.entry}', then ${stack.line}`
      : 'npx secrets run -- PROGRAM (no bundler was found in package.json)',
    'npx secrets doctor',
  ]
}
