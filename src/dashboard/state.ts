import { readdirSync } from 'node:fs'
import { basename } from 'node:path'
import type { ResolvedConfig } from '../core/config/resolve.ts'
import type { SecretsError } from '../core/errors.ts'
import { redactorOf } from '../core/expose/exposure.ts'
import { localVaultOf } from '../core/move-to-local.ts'
import type { Secrets } from '../core/pipeline.ts'
import { createPolicy } from '../core/policy.ts'
import type { Snapshot } from '../core/snapshot.ts'
import { VERSION } from '../core/user-agent.ts'
import type { DashboardState, LinkView, Problem, ProviderView, RotationView, SecretView } from './api.ts'
import type { Health } from './health.ts'
import type { DashboardHost } from './host.ts'
import { importsLocal, isLocal } from './local.ts'
import { leavesOf, problemOf } from './problem.ts'

/** Not even a length is told. */
const MASK = '••••••••'

/** What the dashboard remembers besides its host. */
export interface Memory {
  readonly health: Health
  readonly rotations: readonly RotationView[]
  /** What the last reading met. */
  readonly failure: SecretsError | undefined
}

/** Everything that a page shows, without a value. */
export async function stateOf(host: DashboardHost, memory: Memory): Promise<DashboardState> {
  const { secrets, snapshot } = host
  const problem = host.failure && problemOf(host.failure)
  if (!secrets) return { ...emptyState(host), problem, rotations: memory.rotations }
  const { config } = secrets
  const clean = cleanerOf(snapshot)
  const told = (error: SecretsError | undefined): Problem | undefined => error && tell(error, clean)
  const names = namesOf(secrets, snapshot)
  const usedIn = await host.usedIn(names)
  const failures = leavesOf(memory.failure ?? host.failure)
  const views = names.map((name): SecretView => {
    return secretView(name, { secrets, snapshot, usedIn: usedIn.get(name) ?? [], told, failures })
  })
  return {
    version: VERSION,
    project: basename(config.root),
    environment: config.environment,
    profile: config.profile,
    profiles: config.profiles,
    providers: [...config.providers].map(([name, { type, location }]): ProviderView => {
      const { error, checks, ...health } = memory.health.of(name)
      return {
        name,
        type,
        location,
        ...health,
        error: told(error),
        checks: checks?.map(({ label, ok, detail, hint }) => ({
          label: clean(label),
          ok,
          detail: detail && clean(detail),
          hint: hint && clean(hint),
        })),
        secrets: views.filter(({ provider }) => provider === name).length,
      }
    }),
    secrets: views,
    client: config.client,
    links: linksOf(config),
    canAdd: importsLocal(config) !== undefined,
    rotations: memory.rotations,
    problem: told(host.failure),
  }
}

/** What is linked, and what could be: this environment, and those that have a file of their own. */
function linksOf({ links, root, environment }: ResolvedConfig): LinkView[] {
  // Links are kept beside a configuration; one that was handed over has no place for them.
  if (!links) return []
  const files = readdirSync(root, { withFileTypes: true }).flatMap((entry) => {
    const [, name] = /^\.env\.([\w-]+)$/.exec(entry.isFile() ? entry.name : '') ?? []
    return name === undefined || NO_ENVIRONMENTS.has(name) ? [] : name
  })
  return [...new Set([environment, ...links.keys(), ...files])]
    .sort()
    .map((name) => ({ environment: name, reference: links.get(name) }))
}

/** `.env.local` is every environment's, and the others are for people to read. */
const NO_ENVIRONMENTS: ReadonlySet<string> = new Set(['local', 'example', 'sample', 'template', 'vault'])

type Cleaner = (text: string) => string

/** Other people's texts (a server's, a library's, a configuration's) must not bring what ours do not. */
function cleanerOf(snapshot: Snapshot | undefined): Cleaner {
  const redactor = snapshot && redactorOf(snapshot, createPolicy([]))
  return (text) => redactor?.apply(text) ?? text
}

function tell(error: unknown, clean: Cleaner): Problem {
  const { code, message, hint } = problemOf(error)
  return { code, message: clean(message), hint: hint && clean(hint) }
}

/** What a page is told of an error, without any value that the error may quote. */
export function tellProblem({ snapshot }: DashboardHost, error: unknown): Problem {
  return tell(error, cleanerOf(snapshot))
}

function emptyState({ options }: DashboardHost): DashboardState {
  return {
    version: VERSION,
    project: basename(options.root ?? process.cwd()),
    environment: options.environment ?? '',
    profile: options.profile,
    profiles: [],
    providers: [],
    secrets: [],
    client: [],
    links: [],
    canAdd: false,
    rotations: [],
  }
}

function namesOf({ config }: Secrets, snapshot: Snapshot | undefined): string[] {
  return [...new Set([...config.secrets.keys(), ...(snapshot?.names() ?? [])])].sort()
}

interface Looked {
  readonly secrets: Secrets
  readonly snapshot: Snapshot | undefined
  readonly usedIn: readonly string[]
  readonly told: (error: SecretsError | undefined) => Problem | undefined
  readonly failures: readonly SecretsError[]
}

function secretView(name: string, looked: Looked): SecretView {
  const { secrets, snapshot, usedIn, told, failures } = looked
  const { config } = secrets
  const declared = config.secrets.get(name)
  const meta = snapshot?.meta(name)
  const provider = meta?.provider ?? declared?.reference?.provider
  const hasValue = snapshot?.get(name) !== undefined
  const isOfVault = declared
    ? isLocal(config, declared)
    : provider !== undefined && config.providers.get(provider)?.type === 'local'
  return {
    name,
    masked: hasValue ? MASK : undefined,
    source: meta?.source,
    provider,
    reference: meta?.reference ?? declared?.reference?.source,
    version: meta?.version,
    fetchedAt: meta?.fetchedAt,
    stale: meta?.stale ?? false,
    error: told(failures.find(({ names }) => names.includes(name)) ?? meta?.error),
    consumer: createPolicy(config.client).allows(name) || hasParts(config.client, name) ? 'client' : 'server',
    description: declared?.description,
    usedIn,
    isLocal: isOfVault,
    canMove: declared !== undefined && !isOfVault && hasValue && localVaultOf(secrets) !== undefined,
  }
}

/** Some keys of it may reach browsers. */
function hasParts(client: readonly string[], name: string): boolean {
  return client.some((entry) => entry.startsWith(`${name}.`))
}
