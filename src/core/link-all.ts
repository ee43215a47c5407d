import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { audit } from './audit.ts'
import { changeLinks, isOwnPlace } from './config/links.ts'
import { slugOf } from './config/references.ts'
import type { ResolvedConfig } from './config/resolve.ts'
import { reasonOf, SecretsError } from './errors.ts'
import { fieldsOf } from './fields.ts'
import type { ContextFor } from './link-values.ts'
import { canonicalReference } from './reference.ts'
import type { Provider, ReadResult } from './types.ts'

export interface NewLink {
  readonly environment: string
  readonly reference: string
}

/** A secret that becomes no environment, and why. */
export interface SkippedSecret {
  readonly reference: string
  readonly reason: string
}

export interface LinkAllPlan {
  readonly links: readonly NewLink[]
  readonly skipped: readonly SkippedSecret[]
  /** Writes all of the links at once. What was linked meanwhile stays as it is. */
  apply(): Promise<void>
}

/** How many documents are asked for at once. */
const BATCH = 20

/**
 * An environment for each secret of the providers that keep documents, where there is none of that name yet. Nothing is
 * pushed, and nothing has been changed yet.
 * @param only one provider; else every one that can
 * @param progress before each batch: how many of how many have been looked at
 * @throws SecretsError `UNSUPPORTED` when none can list documents, and what cannot be listed
 */
export async function planLinkAll(
  config: ResolvedConfig,
  contextFor: ContextFor,
  only?: string,
  progress: (done: number, all: number) => void = () => {},
): Promise<LinkAllPlan> {
  if (config.links === undefined)
    throw new SecretsError('UNSUPPORTED', 'Links belong to a configuration in a file, and here is none.', {
      hint: 'Put the configuration into secrets.config.*',
    })
  const found: { readonly path: string; readonly name: string }[] = []
  for (const [name, provider] of listing(config, only))
    for (const { path } of await provider.list!('', contextFor(name))) found.push({ name, path })
  const taken = await environmentsOf(config, contextFor)
  const known = new Set(config.links.values())
  const links: NewLink[] = []
  const skipped: SkippedSecret[] = []
  for (let at = 0; at < found.length; at += BATCH) {
    progress(at, found.length)
    const batch = found.slice(at, at + BATCH)
    const documents = await readAll(config, contextFor, batch)
    for (const [index, { name, path }] of batch.entries()) {
      const reference = canonicalReference({
        provider: name,
        path,
        options: {},
        field: undefined,
        source: '',
      })
      const environment = slugOf(path)
      const why = known.has(reference)
        ? 'is linked already'
        : (taken.get(environment) ?? fileOf(config, environment) ?? whyNot(documents[index], environment))
      if (why === undefined) {
        links.push({ environment, reference })
        taken.set(environment, `${environment} is that of ${reference}`)
      } else skipped.push({ reference, reason: why })
    }
  }
  return {
    links,
    skipped,
    async apply() {
      await changeLinks(config.root, (now) => {
        for (const { environment, reference } of links)
          if (!now.has(environment)) now.set(environment, reference)
      })
      for (const { reference, environment } of links)
        await audit({ ...config, environment }, { action: 'link', reference })
    },
  }
}

/** Whose `list` gives documents: not names of values, and not what this machine has anyway. */
function listing(config: ResolvedConfig, only: string | undefined): [string, Provider][] {
  const able = [...config.providers].filter(
    ([, { list, importAll, type }]) => list !== undefined && !importAll && !isOwnPlace(type),
  )
  const chosen = only === undefined ? able : able.filter(([name]) => name === only)
  if (chosen.length > 0) return chosen
  const names = able.map(([name]) => name)
  const hint =
    names.length > 0
      ? `Providers that can list documents: ${names.join(', ')}.`
      : 'No configured provider can list documents; vault and aws can.'
  if (only !== undefined && !config.providers.has(only))
    throw new SecretsError('PROVIDER_UNKNOWN', `There is no provider ${only}.`, { hint })
  const why =
    only === undefined ? 'There is nothing to list.' : `${only} keeps no documents that could be listed.`
  throw new SecretsError('UNSUPPORTED', why, { hint })
}

/** What exists under a name already, and as what. */
async function environmentsOf(config: ResolvedConfig, contextFor: ContextFor): Promise<Map<string, string>> {
  const taken = new Map<string, string>()
  for (const [name, provider] of config.providers) {
    if (provider.type !== 'local') continue
    for (const { environment } of (await provider.list?.('', contextFor(name))) ?? [])
      if (environment !== undefined) taken.set(environment, `${environment} has values of its own in ${name}`)
  }
  for (const [environment, reference] of config.links ?? [])
    taken.set(environment, `${environment} is linked to ${reference}`)
  return taken
}

/** Why there is an environment of that name already. */
function fileOf({ root }: ResolvedConfig, environment: string): string | undefined {
  const file = `.env.${environment}`
  return environment !== '' && existsSync(join(root, file))
    ? `${environment} has a file of its own, ${file}`
    : undefined
}

async function readAll(
  config: ResolvedConfig,
  contextFor: ContextFor,
  batch: readonly { readonly path: string; readonly name: string }[],
): Promise<ReadResult[]> {
  const results: ReadResult[] = []
  for (const name of new Set(batch.map((each) => each.name))) {
    const own = batch.filter((each) => each.name === name)
    const requests = own.map(({ path }) => ({ path, options: {} }))
    results.push(...(await config.providers.get(name)!.read(requests, contextFor(name))))
  }
  return results
}

function whyNot(document: ReadResult, environment: string): string | undefined {
  if (environment === '') return 'has no letter or digit in its name'
  if (document === undefined) return 'is not there any more'
  if (document instanceof SecretsError) return reasonOf(document)
  return fieldsOf(document.value) ? undefined : 'holds no JSON object'
}
