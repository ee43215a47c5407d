import { join } from 'node:path'
import { isOwnPlace, ownName } from './config/links.ts'
import type { ResolvedConfig } from './config/resolve.ts'
import { SecretsError, throwProblems } from './errors.ts'
import { fieldsOf } from './fields.ts'
import { readIfExists } from './files.ts'
import { checkName } from './policy.ts'
import { aliasesOf, parseTemplate } from './template.ts'
import type { Json, ProviderContext, Reference, SecretDocument } from './types.ts'

export type ContextFor = (provider: string) => ProviderContext

/** What an environment has on this machine. */
export interface OwnValues {
  readonly values: ReadonlyMap<string, string>
  /** Where they come from: `dotenv`, `local`, `.env.production`. */
  readonly places: readonly string[]
}

/** They open what is sealed and log in to servers, so they belong to no document of values. */
export const KEY_NAMES: ReadonlySet<string> = new Set([
  'VAULT_KEY',
  'VAULT_DEVICE_SECRET',
  'SECRETS_KEY',
  'SECRETS_KEY_PREVIOUS',
  'SECRETS_PASSPHRASE',
])

/** Without what must stay where it is. */
export function pushable(values: Iterable<readonly [string, string]>): Map<string, string> {
  return new Map([...values].filter(([name]) => !KEY_NAMES.has(name)))
}

/**
 * What the environment's configuration reads from `local` and `dotenv`, so that a link changes no value; where
 * `dotenv` is not configured, the files that are named after the environment as well.
 * @throws SecretsError for a value that is made of others, and what cannot be read
 */
export async function ownValues(config: ResolvedConfig, contextFor: ContextFor): Promise<OwnValues> {
  const values = new Map<string, string>()
  const places = new Set<string>()
  const take = (name: string, value: string, place: string): void => {
    // What is read from elsewhere is not this environment's to push.
    if (config.secrets.has(name) && !isOwn(config, config.secrets.get(name)?.reference)) return
    values.set(name, value)
    places.add(place)
  }
  if (![...config.providers.values()].some(({ type }) => type === 'dotenv'))
    for (const [name, value, file] of await environmentFiles(config)) take(name, value, file)
  for (const { path, provider } of config.imports) {
    if (path !== '*' || !isOwnPlace(config.providers.get(provider)!.type)) continue
    const [document] = await readOwn(config, provider, ['*'], contextFor)
    for (const [name, value] of Object.entries(fieldsOf(document ?? {}) ?? {}))
      take(name, textOf(value), provider)
  }
  const said = new Map<string, string>()
  const declared = [...config.secrets.values()].flatMap(({ reference }) => reference ?? [])
  for (const provider of new Set(declared.map((reference) => reference.provider))) {
    if (!isOwnPlace(config.providers.get(provider)!.type)) continue
    const own = declared.filter((reference) => reference.provider === provider)
    const names = [...new Set(own.flatMap((reference) => ownName(reference) ?? []))]
    const found = await readOwn(config, provider, names, contextFor)
    for (const [index, name] of names.entries()) {
      const value = found[index]
      if (value === undefined) continue
      const text = textOf(value)
      if ((said.get(name) ?? text) !== text) throw ambiguous(name)
      said.set(name, text)
      values.set(name, text)
      places.add(provider)
    }
  }
  const pushed = pushable(values)
  throwProblems(problemsOf(pushed), (count) => `${count} values cannot be pushed:`)
  return { values: pushed, places: [...places] }
}

function ambiguous(name: string): SecretsError {
  return new SecretsError('CONFLICT', `${name} is read from two places, which have different values.`, {
    hint: 'A document has one value for a name: let the configuration name one of the two.',
  })
}

/** Whether a link would move it into the document. */
function isOwn(config: ResolvedConfig, reference: Reference | undefined): boolean {
  return (
    reference !== undefined &&
    isOwnPlace(config.providers.get(reference.provider)!.type) &&
    ownName(reference) !== undefined
  )
}

async function readOwn(
  config: ResolvedConfig,
  name: string,
  paths: readonly string[],
  contextFor: ContextFor,
): Promise<(SecretDocument['value'] | undefined)[]> {
  const requests = paths.map((path) => ({ path, options: {} }))
  const found = await config.providers.get(name)!.read(requests, contextFor(name))
  return found.map((result) => {
    if (result instanceof SecretsError) throw result
    return result?.value
  })
}

/** The files that are this environment's alone; the later one wins. */
async function environmentFiles({ root, environment }: ResolvedConfig): Promise<[string, string, string][]> {
  if (/[/\\\0]/.test(environment)) return []
  const { parse } = (await import('dotenv')).default
  const found: [string, string, string][] = []
  for (const file of [`.env.${environment}`, `.env.${environment}.local`]) {
    const content = await readIfExists(join(root, file))
    for (const [name, value] of Object.entries(parse(content ?? ''))) found.push([name, value, file])
  }
  return found
}

function problemsOf(values: ReadonlyMap<string, string>): SecretsError[] {
  return [...values].flatMap(([name, value]) => {
    const wrong = checkName(name, `The name ${JSON.stringify(name)}`)
    if (aliasesOf(parseTemplate(value, name, false)).length === 0) return wrong
    const problem = new SecretsError('UNSUPPORTED', `The value of ${name} is made of other secrets.`, {
      hint: `Only a .env file can hold that: declare ${name} with a \`template\` in the configuration first.`,
    })
    return [...wrong, problem]
  })
}

/** As a text: what a place holds otherwise is told as JSON. */
export function textOf(value: Json | Uint8Array): string {
  return typeof value === 'string' ? value : JSON.stringify(value)
}
