import { SecretsManager } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { Provider } from '../src/core/types.ts'
import { type AwsOptions, aws } from '../src/providers/aws/index.ts'
import { ask, contextFor, front, Heard, refuse } from './support/aws.ts'
import { canariesIn, canary } from './support/canary.ts'
import { type RunningServer, startServer } from './support/servers.ts'

vi.stubEnv('AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED', 'true')
const region = 'eu-west-1'
const account = '123456789012'
const heard = new Heard()
const context = contextFor(heard)
const values = Array.from({ length: 4 }, () => canary())
const open: Provider[] = []

interface Statement {
  readonly Sid: string
  readonly Action: string
  readonly Resource: string | string[]
  readonly Condition?: unknown
}
interface Policy {
  readonly Version: string
  readonly Statement: Statement[]
}

/** One of its own: what it enforces, it enforces for all. */
let server: RunningServer
let url: string
let arn: string

/** A request of IAM's query protocol, for which no SDK is installed. @returns an element of its answer */
async function iam(Action: string, fields: Record<string, string>): Promise<(element: string) => string> {
  const scope = 'AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/iam/aws4_request, Signature=0'
  const response = await fetch(url, {
    method: 'POST',
    headers: { authorization: scope },
    body: new URLSearchParams({ Action, Version: '2010-05-08', ...fields }),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`IAM ${Action}: ${response.status}`)
  return (element) => new RegExp(`<${element}>(.*?)</${element}>`).exec(text)![1]!.replaceAll('&amp;', '&')
}
/** From here on moto checks signatures and policies, or does not. */
const enforce = (on: boolean) =>
  fetch(`${url}/moto-api/reset-auth`, { method: 'POST', body: on ? '0' : 'inf' })

const make = (options: AwsOptions): Provider => {
  const provider = aws({ region, endpoint: url, ...options })
  open.push(provider)
  return provider
}
const administrator = () =>
  make({ auth: { method: 'keys', accessKeyId: 'AKIAadmin', secretAccessKey: 'admin' } })
const policyOf = async (provider: Provider, paths: string[]): Promise<Policy> => {
  const text = await provider.policy!(
    paths.map((path) => ask(path)),
    context,
  )
  heard.add(text)
  return JSON.parse(text)
}
const resourcesOf = (policy: Policy, action: string) =>
  policy.Statement.filter((statement) => statement.Action === action).flatMap(({ Resource }) => Resource)
/** IAM's own wildcards. */
const allows = (patterns: string[], resource: string) =>
  patterns.some((pattern) => {
    const source = pattern.replace(/[.+^${}()|[\]\\]/g, String.raw`\$&`)
    return new RegExp(`^${source.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(resource)
  })

beforeAll(async () => {
  server = await startServer({
    command: inject('servers').moto.binary,
    args: (port) => ['-H', '127.0.0.1', '-p', String(port)],
    answers: async (port) => (await fetch(`http://127.0.0.1:${port}/moto-api/`)).ok,
  })
  url = `http://127.0.0.1:${server.port}`
  const admin = new SecretsManager({
    region,
    endpoint: url,
    credentials: { accessKeyId: 'AKIAadmin', secretAccessKey: 'admin' },
  })
  const put = (Name: string, SecretString: string, KmsKeyId?: string) =>
    admin.createSecret({ Name, SecretString, ...(KmsKeyId && { KmsKeyId }) })
  await put('prod/db', values[0]!)
  arn = (await put('prod/stripe', values[1]!, '1234abcd-12ab-34cd-56ef-1234567890ab')).ARN!
  await put('prod/alias', values[2]!, 'alias/secrets')
  await put('prod/other', values[3]!)
  admin.destroy()
}, 60_000)

afterAll(async () => {
  await Promise.all(open.map((provider) => provider.close?.()))
  await server.stop()
  expect(canariesIn(heard.text, values)).toEqual([])
})

describe('policy', () => {
  it('has just what reading takes, the account and the keys where they can be known', async () => {
    const policy = await policyOf(administrator(), ['prod/stripe', arn, 'prod/db', 'prod/alias', 'prod/none'])
    const pattern = (name: string, owner = account) =>
      `arn:aws:secretsmanager:${region}:${owner}:secret:${name}-??????`
    const viaSecretsManager = { 'kms:ViaService': `secretsmanager.${region}.amazonaws.com` }
    expect(policy).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Sid: 'ReadSecrets',
          Effect: 'Allow',
          Action: 'secretsmanager:GetSecretValue',
          Resource: [
            pattern('prod/none', '*'),
            pattern('prod/alias'),
            pattern('prod/db'),
            arn,
            pattern('prod/stripe'),
          ].sort(),
        },
        {
          Sid: 'ReadThemInBatches',
          Effect: 'Allow',
          Action: 'secretsmanager:BatchGetSecretValue',
          Resource: '*',
        },
        {
          Sid: 'OpenThemWithTheirKeys',
          Effect: 'Allow',
          Action: 'kms:Decrypt',
          Resource: [`arn:aws:kms:${region}:${account}:key/1234abcd-12ab-34cd-56ef-1234567890ab`],
          Condition: { StringEquals: viaSecretsManager },
        },
        {
          Sid: 'OpenThemWithKeysByAlias',
          Effect: 'Allow',
          Action: 'kms:Decrypt',
          Resource: [`arn:aws:kms:${region}:${account}:key/*`],
          Condition: {
            StringEquals: viaSecretsManager,
            'ForAnyValue:StringEquals': { 'kms:ResourceAliases': ['alias/secrets'] },
          },
        },
      ],
    })
  })

  it('its resources are the secrets that were asked for, and no others', async () => {
    const paths = ['prod/stripe', 'prod/db']
    const resources = resourcesOf(await policyOf(administrator(), paths), 'secretsmanager:GetSecretValue')
    const arnOf = (name: string) => `arn:aws:secretsmanager:${region}:${account}:secret:${name}`
    expect(allows(resources, arn)).toBe(true)
    expect(allows(resources, arnOf('prod/db-AbCdEf'))).toBe(true)
    for (const name of ['prod/other-AbCdEf', 'prod/db2-AbCdEf', 'prod/db-x-AbCdEf', 'prod/db'])
      expect(allows(resources, arnOf(name))).toBe(false)
    const [single] = resourcesOf(await policyOf(administrator(), [arn]), 'secretsmanager:GetSecretValue')
    expect(single).toBe(arn)
    const partial = resourcesOf(
      await policyOf(administrator(), [arn.slice(0, -7)]),
      'secretsmanager:GetSecretValue',
    )
    expect(allows(partial, arn)).toBe(true)
  })

  it('one secret needs no batches; other partitions have their own names', async () => {
    expect((await policyOf(administrator(), ['prod/db'])).Statement).toHaveLength(1)
    for (const [place, partition] of [
      ['cn-north-1', 'aws-cn'],
      ['us-gov-west-1', 'aws-us-gov'],
      ['us-iso-east-1', 'aws-iso'],
      ['us-isob-east-1', 'aws-iso-b'],
      ['eusc-de-east-1', 'aws-eusc'],
    ] as const) {
      const provider = make({ region: place, auth: undefined })
      const [resource] = resourcesOf(await policyOf(provider, ['a']), 'secretsmanager:GetSecretValue')
      expect(resource).toBe(`arn:${partition}:secretsmanager:${place}:*:secret:a-??????`)
    }
  })

  it('is printed without any permission, and does not wait for each of many', async () => {
    const denying = await front(undefined, (_, response) =>
      refuse(response, 400, 'ExpiredTokenException', values[0]!),
    )
    const provider = make({
      endpoint: denying.url,
      auth: { method: 'keys', accessKeyId: 'a', secretAccessKey: 'b' },
    })
    const paths = Array.from({ length: 40 }, (_, index) => `n${index}`)
    expect(resourcesOf(await policyOf(provider, paths), 'secretsmanager:GetSecretValue')).toHaveLength(40)
    expect(denying.requests.length).toBeLessThan(10)
    await denying.close()
  })
})

describe('an identity with exactly that policy', () => {
  it('reads every reference, alone and in batches, and may do nothing else', async () => {
    const paths = ['prod/stripe', 'prod/db', arn]
    const policy = await policyOf(administrator(), paths)
    // moto checks actions, and asks for `*` whatever the secret is; the resources have a test of their own above.
    const Statement = policy.Statement.map((statement) => ({ ...statement, Resource: '*' }))
    const text = JSON.stringify({ ...policy, Statement })
    await iam('CreateUser', { UserName: 'builder' })
    await iam('PutUserPolicy', { UserName: 'builder', PolicyName: 'read', PolicyDocument: text })
    const element = await iam('CreateAccessKey', { UserName: 'builder' })
    const [accessKeyId, secretAccessKey] = [element('AccessKeyId'), element('SecretAccessKey')]
    values.push(secretAccessKey)
    const keys = { method: 'keys', accessKeyId, secretAccessKey } as const
    await enforce(true)
    try {
      const provider = make({ auth: keys })
      const results = await provider.read(
        paths.map((path) => ask(path)),
        context,
      )
      expect(results).toMatchObject([{ value: values[1] }, { value: values[0] }, { value: values[1] }])
      expect(await provider.read([ask('prod/db')], context)).toMatchObject([{ value: values[0] }])
      const others = [
        provider.list!('', context),
        provider.write!({ path: 'prod/db', value: 'x' }, context),
        provider.remove!({ path: 'prod/db' }, context),
        provider.history!('prod/db', context),
        provider.annotate!({ path: 'prod/db', custom: { a: 'b' } }, context),
        make({ auth: { method: 'keys', accessKeyId: 'AKIAnobody', secretAccessKey: 'x' } }).list!(
          '',
          context,
        ),
        make({ auth: { ...keys, secretAccessKey: 'x' } }).read([ask('prod/db')], context),
      ]
      for (const result of await Promise.allSettled(others)) {
        heard.add(result)
        // moto denies in XML, which this service does not speak; the status is AWS's.
        expect(result).toMatchObject({
          status: 'rejected',
          reason: { message: expect.stringContaining('(HTTP 403)') },
        })
      }
    } finally {
      await enforce(false)
    }
    expect(await administrator().metadata!('prod/db', context)).toMatchObject({ custom: {} })
    expect(await administrator().read([ask('prod/db')], context)).toMatchObject([{ value: values[0] }])
  })
})
