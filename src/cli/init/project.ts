import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'dotenv'
import { fileHint, reasonOf, SecretsError } from '../../core/errors.ts'
import { KEY_NAMES } from '../../core/link-values.ts'
import { detectStack, type Stack } from './stack.ts'

/** What can be seen of a project and of the machine without asking anybody. Never a value. */
export interface Project {
  readonly typescript: boolean
  readonly stack: Stack | undefined
  /** Whether this package is among the dependencies. */
  readonly installed: boolean
  readonly packageManager: 'npm' | 'pnpm' | 'yarn' | 'bun'
  readonly envFiles: readonly string[]
  /** Names that the development environment has. */
  readonly envNames: readonly string[]
  /** Names that only other environments have, with the file. */
  readonly otherNames: readonly (readonly [name: string, file: string])[]
  /** Where a Vault login was seen. */
  readonly vault: string | undefined
  readonly aws:
    | { readonly seen: string; readonly profile: string | undefined; readonly region: string | undefined }
    | undefined
}

/** Files that show what a real one looks like. */
const SAMPLE = /\.(example|sample|template|dist|defaults|schema|vault|keys)$/
/** Read in development, as the dotenv provider does. */
const DEVELOPMENT = ['.env', '.env.local', '.env.development', '.env.development.local']
/** Belong to the bundler, and mean something else than a secret. */
const BUNDLERS_OWN = new Set(['NODE_ENV', 'MODE', 'DEV', 'PROD', 'SSR', 'BASE_URL'])
const NAME = /^[A-Za-z_$][\w$.-]*$/

export function lookAt(root: string): Project {
  const files = readdirSync(root)
  const packages = packagesOf(root)
  const envFiles = files.filter((file) => /^\.env(\.[\w-]+)*$/.test(file) && !SAMPLE.test(file)).sort()
  const named = envFiles.map((file) => [file, namesIn(join(root, file))] as const)
  const inDevelopment = ([file]: (typeof named)[number]): boolean => DEVELOPMENT.includes(file)
  const envNames = [...new Set(named.filter(inDevelopment).flatMap(([, names]) => names))]
  return {
    typescript: existsSync(join(root, 'tsconfig.json')) || packages.has('typescript'),
    stack: detectStack(packages, files),
    installed: packages.has('unplugin-secrets'),
    packageManager: packageManagerOf(files),
    envFiles,
    envNames,
    otherNames: named
      .filter((each) => !inDevelopment(each))
      .flatMap(([file, names]) =>
        names.filter((name) => !envNames.includes(name)).map((name) => [name, file] as const),
      ),
    vault: vaultLogin(),
    aws: awsLogin(),
  }
}

/** The keys of a .env file; what they hold is forgotten at once. */
function namesIn(file: string): string[] {
  try {
    return Object.keys(parse(readFileSync(file))).filter(
      (name) => NAME.test(name) && !BUNDLERS_OWN.has(name) && !KEY_NAMES.has(name),
    )
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}

function packagesOf(root: string): Set<string> {
  const file = join(root, 'package.json')
  if (!existsSync(file)) return new Set()
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(file, 'utf8')) as Record<
      string,
      object | undefined
    >
    return new Set([...Object.keys(dependencies ?? {}), ...Object.keys(devDependencies ?? {})])
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot read ${file}: ${reasonOf(error)}.`, {
      hint: fileHint(error),
    })
  }
}

function packageManagerOf(files: readonly string[]): Project['packageManager'] {
  if (files.includes('pnpm-lock.yaml')) return 'pnpm'
  if (files.includes('yarn.lock')) return 'yarn'
  return files.includes('bun.lock') || files.includes('bun.lockb') ? 'bun' : 'npm'
}

/** Only whether something is there: neither the address nor the token is looked at. */
function vaultLogin(): string | undefined {
  const variable = ['VAULT_ADDR', 'BAO_ADDR', 'VAULT_TOKEN', 'BAO_TOKEN'].find((name) => process.env[name])
  if (variable) return variable
  const file = ['.vault-token', '.bao-token'].find((name) => existsSync(join(homedir(), name)))
  return file && `~/${file}`
}

function awsLogin(): Project['aws'] {
  const { AWS_PROFILE, AWS_REGION, AWS_DEFAULT_REGION, AWS_ACCESS_KEY_ID, AWS_CONFIG_FILE } = process.env
  const region = AWS_REGION || AWS_DEFAULT_REGION || undefined
  if (AWS_PROFILE) return { seen: 'AWS_PROFILE', profile: AWS_PROFILE, region }
  if (AWS_ACCESS_KEY_ID) return { seen: 'AWS_ACCESS_KEY_ID', profile: undefined, region }
  const file = AWS_CONFIG_FILE || join(homedir(), '.aws', 'config')
  let text = ''
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // Not readable is as good as not there: nothing but a suggestion hangs on it.
  }
  // Section heads alone; the SDK reads the rest when it logs in.
  const profiles = [...text.matchAll(/^\[\s*(?:profile\s+)?([\w.@-]+)\s*\]/gm)].map((match) => match[1]!)
  if (profiles.length > 0) {
    const first = profiles.includes('default') ? 'default' : profiles[0]
    return { seen: `~/.aws/config (${profiles.join(', ')})`, profile: first, region }
  }
  return region === undefined ? undefined : { seen: 'AWS_REGION', profile: undefined, region }
}
