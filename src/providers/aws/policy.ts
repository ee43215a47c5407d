import pLimit from 'p-limit'
import { SecretsError } from '../../core/errors.ts'
import type { ProviderContext, ReadRequest } from '../../core/types.ts'
import { describeSecret } from './describe.ts'
import { partitionOf, regionOf, resourceOf } from './reference.ts'
import type { Session } from './session.ts'

interface Statement {
  readonly Sid: string
  readonly Effect: 'Allow'
  readonly Action: string | readonly string[]
  readonly Resource: string | readonly string[]
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>
}

/** What is known of a secret beside its name: where it is, and the key of its own that seals it. */
interface Known {
  readonly account: string
  readonly key: string | undefined
}

/**
 * The IAM policy with which exactly these can be read. Asks AWS for the account and the KMS keys; where it
 * may not know them, the account is `*` and there is no statement about keys.
 */
export async function policyFor(
  session: Session,
  requests: readonly ReadRequest[],
  context: ProviderContext,
): Promise<string> {
  const paths = [...new Set(requests.map(({ path }) => path))].sort()
  const known = await lookAt(session, paths, context)
  // After the calls: the profile's region is known only then.
  const region = session.region() ?? '*'
  const resources = paths.map((path) => resourceOf(path, region, known.get(path)?.account))
  const statements: Statement[] = [
    {
      Sid: 'ReadSecrets',
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: [...new Set(resources)].sort(),
    },
  ]
  // Gives nothing by itself: each secret in a batch needs GetSecretValue too. AWS knows no resource for it.
  if (paths.length > 1)
    statements.push({
      Sid: 'ReadThemInBatches',
      Effect: 'Allow',
      Action: 'secretsmanager:BatchGetSecretValue',
      Resource: '*',
    })
  statements.push(...keyStatements([...known.values()], region))
  return `${JSON.stringify({ Version: '2012-10-17', Statement: statements }, null, 2)}\n`
}

function keyStatements(known: readonly Known[], region: string): Statement[] {
  const service = { 'kms:ViaService': `secretsmanager.${region}.${domainOf(region)}` }
  const partition = partitionOf(region)
  const keys = new Set<string>()
  const aliases = new Set<string>()
  const accounts = new Set<string>()
  for (const { account, key } of known) {
    if (key === undefined) continue
    const alias = /(?:^|:)(alias\/.+)$/.exec(key)?.[1]
    // Whoever may read the secret may use AWS's own key.
    if (alias === 'alias/aws/secretsmanager') continue
    if (alias !== undefined) {
      aliases.add(alias)
      accounts.add(key.startsWith('arn:') ? key.split(':')[4]! : account)
    } else keys.add(key.startsWith('arn:') ? key : `arn:${partition}:kms:${region}:${account}:key/${key}`)
  }
  const common = { Effect: 'Allow', Action: 'kms:Decrypt' } as const
  return [
    ...(keys.size === 0
      ? []
      : [
          {
            Sid: 'OpenThemWithTheirKeys',
            ...common,
            Resource: [...keys].sort(),
            Condition: { StringEquals: service },
          },
        ]),
    // IAM does not take the name of an alias for a resource.
    ...(aliases.size === 0
      ? []
      : [
          {
            Sid: 'OpenThemWithKeysByAlias',
            ...common,
            Resource: [...accounts]
              .sort()
              .map((account) => `arn:${partition}:kms:${region}:${account}:key/*`),
            Condition: {
              StringEquals: service,
              'ForAnyValue:StringEquals': { 'kms:ResourceAliases': [...aliases].sort() },
            },
          },
        ]),
  ]
}

function domainOf(region: string): string {
  return region.startsWith('cn-') ? 'amazonaws.com.cn' : 'amazonaws.com'
}

/** What DescribeSecret says of each; what cannot be known is left out, the policy is worth having without. */
async function lookAt(
  session: Session,
  paths: readonly string[],
  context: ProviderContext,
): Promise<ReadonlyMap<string, Known>> {
  const known = new Map<string, Known>()
  const limit = pLimit(context.concurrency)
  let stop = false
  await Promise.all(
    paths.map((path) =>
      limit(async () => {
        if (stop) return
        try {
          const found = await describeSecret(session, path, context)
          const account =
            found?.ARN !== undefined && regionOf(found.ARN) ? found.ARN.split(':')[4] : undefined
          if (account) known.set(path, { account, key: found?.KmsKeyId })
        } catch (error) {
          if (!(error instanceof SecretsError)) throw error
          if (error.code !== 'PERMISSION_DENIED') stop = true
          context.debug(`${context.name}: the policy is written without a look at ${path} (${error.code})`)
        }
      }),
    ),
  )
  return known
}
