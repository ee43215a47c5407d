import type { Project } from './project.ts'

export const PROVIDERS = ['local', 'dotenv', 'vault', 'aws', 'vaultEnv'] as const
export type ProviderChoice = (typeof PROVIDERS)[number]

/** What goes without saying: the files that are there, else the local vault. */
export function defaultProviders({ envNames }: Project): ProviderChoice[] {
  return envNames.length > 0 ? ['dotenv'] : ['local']
}

/** Names that browsers see already, by the prefix rule of the project's stack. */
export function publicNames({ stack, envNames }: Project): string[] {
  const prefixes = stack?.publicPrefixes ?? ['VITE_']
  return envNames.filter((name) => prefixes.some((prefix) => name.startsWith(prefix)))
}

const text = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : text(name))

/** The text of `secrets.config.*`. @param url of the vault-env server, where it is not the usual one */
export function configText(project: Project, chosen: readonly ProviderChoice[], url?: string): string {
  const names = chosen.includes('dotenv') ? project.envNames : []
  const client = chosen.includes('dotenv') ? publicNames(project) : []
  const secrets = [
    ...names.map((name) => `    ${key(name)}: ${text(`dotenv:${name}`)},`),
    ...(chosen.includes('dotenv') ? project.otherNames : []).map(
      ([name, file]) => `    // ${key(name)}: ${text(`dotenv:${name}`)}, stands only in ${file}`,
    ),
    ...(chosen.includes('vault') ? [`    // DATABASE_URL: 'vault:myapp/db#url',`] : []),
    ...(chosen.includes('aws') ? [`    // STRIPE_KEY: 'aws:prod/stripe#key',`] : []),
  ]
  const lines = [
    `import { defineConfig } from 'unplugin-secrets'`,
    `import { ${[...chosen].sort().join(', ')} } from 'unplugin-secrets/providers'`,
    '',
    'export default defineConfig({',
    '  providers: {',
    ...chosen.map((choice) => `    ${choice}: ${providerText(choice, project, url)},`),
    '  },',
    ...importLines(chosen),
    ...(secrets.length === 0 ? ['  secrets: {},'] : ['  secrets: {', ...secrets, '  },']),
    '  // The only names that a browser may see.',
    `  client: [${client.map(text).join(', ')}],`,
    '})',
    '',
  ]
  return lines.join('\n')
}

function importLines(chosen: readonly ProviderChoice[]): string[] {
  const whole = (['local', 'vaultEnv'] as const).filter((choice) => chosen.includes(choice))
  if (whole.length === 0) return []
  const comment = chosen.includes('local')
    ? '  // Everything that `secrets set NAME` stores.'
    : '  // Everything that the environment has on the server.'
  return [comment, `  import: [${whole.map((choice) => `'${choice}:*'`).join(', ')}],`]
}

function providerText(choice: ProviderChoice, { aws }: Project, url: string | undefined): string {
  if (choice === 'vaultEnv') return url === undefined ? 'vaultEnv()' : `vaultEnv({ url: ${text(url)} })`
  if (choice === 'vault') return `vault({ mount: 'secret' })`
  if (choice !== 'aws') return `${choice}()`
  const auth = aws?.profile ? `{ method: 'profile', profile: ${text(aws.profile)} }` : `{ method: 'default' }`
  return `aws({ ${aws?.region ? `region: ${text(aws.region)}, ` : ''}auth: ${auth} })`
}
