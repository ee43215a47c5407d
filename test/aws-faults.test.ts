import { EventEmitter, once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { afterAll, afterEach, describe, expect, inject, it, vi } from 'vitest'
import { SecretsError } from '../src/core/errors.ts'
import type { Provider } from '../src/core/types.ts'
import { type AwsOptions, aws } from '../src/providers/aws/index.ts'
import { ask, contextFor, type Fault, type Front, front, Heard, refuse } from './support/aws.ts'
import { canariesIn, canary } from './support/canary.ts'
import { freePort } from './support/servers.ts'

const moto = inject('servers').moto.url
const heard = new Heard()
const [accessKeyId, secretAccessKey, received] = [canary('AKIA'), canary('sk'), canary('received')] as const
const keys = { method: 'keys', accessKeyId, secretAccessKey } as const
const region = 'eu-west-1'
const context = contextFor(heard)
const providers: Provider[] = []
const fronts: Front[] = []

function make(options: AwsOptions): Provider {
  const provider = aws({ region, auth: keys, ...options })
  providers.push(provider)
  return provider
}
/** A provider whose server has the fault, and that server. */
async function faulty(fault: Fault, options: AwsOptions = {}, target?: string) {
  const server = await front(target, fault)
  fronts.push(server)
  return { server, provider: make({ endpoint: server.url, ...options }) }
}
/** What came out of reading, thrown or as the answer to the first request. */
async function readFailure(provider: Provider, paths = ['prod/db'], given = context) {
  const [thrown, results] = await provider
    .read(
      paths.map((path) => ask(path)),
      given,
    )
    .then(
      (results) => [undefined, results] as const,
      (error: unknown) => [error, []] as const,
    )
  const error = thrown ?? results[0]
  heard.add(error)
  expect(error).toBeInstanceOf(SecretsError)
  return { error: error as SecretsError, thrown: thrown !== undefined, results }
}
const answer =
  (status: number, body: string, headers: Record<string, string> = {}) =>
  (_: unknown, response: ServerResponse) => {
    response.writeHead(status, headers).end(body)
    return true
  }

afterEach(() => vi.unstubAllEnvs())
afterAll(async () => {
  await Promise.all([
    ...providers.map((provider) => provider.close?.()),
    ...fronts.map((server) => server.close()),
  ])
  expect(canariesIn(heard.text, [accessKeyId, secretAccessKey, received])).toEqual([])
})

describe('errors of AWS', () => {
  const restore = /restore-secret --secret-id prod\/db --region eu-west-1/
  it.each([
    ['ThrottlingException', 400, `Rate of ${received} exceeded`, 'RATE_LIMITED', /slow down|later/],
    ['TooManyRequestsException', 429, received, 'RATE_LIMITED', /later/],
    ['ExpiredTokenException', 400, `The token ${received} is expired`, 'TOKEN_INVALID', /fresh keys/],
    ['ExpiredToken', 403, received, 'TOKEN_INVALID', /fresh keys/],
    ['UnrecognizedClientException', 400, `The token ${received} is invalid.`, 'LOGIN_REFUSED', /accessKeyId/],
    ['InvalidClientTokenId', 403, received, 'LOGIN_REFUSED', /region eu-west-1 not enabled/],
    ['SignatureDoesNotMatch', 403, received, 'LOGIN_REFUSED', /secretAccessKey/],
    ['InvalidSignatureException', 400, `String-to-sign ${received}`, 'LOGIN_REFUSED', /secretAccessKey/],
    [
      'InvalidSignatureException',
      400,
      'Signature not yet current: 1 is later than 2',
      'LOGIN_REFUSED',
      /clock/,
    ],
    ['RequestTimeTooSkewed', 403, received, 'LOGIN_REFUSED', /clock/],
    [
      'AccessDeniedException',
      400,
      `not authorized ${received}`,
      'PERMISSION_DENIED',
      /secretsmanager:GetSecretValue on arn/,
    ],
    [
      'AccessDeniedException',
      400,
      `Access to KMS is not allowed ${received}`,
      'PERMISSION_DENIED',
      /kms:Decrypt/,
    ],
    ['DecryptionFailure', 400, received, 'PERMISSION_DENIED', /kms:Decrypt/],
    ['InvalidRequestException', 400, `it was marked for deletion ${received}`, 'DELETED', restore],
    ['InvalidRequestException', 400, received, 'REQUEST_REFUSED', /Check the name/],
    ['InvalidParameterException', 400, received, 'REQUEST_REFUSED', /Check the name/],
    [received, 400, received, 'REQUEST_REFUSED', /Check the name/],
    ['InternalServiceError', 500, received, 'SERVER_ERROR', /again/],
    ['ServiceUnavailable', 503, received, 'SERVER_ERROR', /again/],
    ['UnknownOperationException', 400, received, 'UNSUPPORTED', /endpoint/],
  ] as const)('%s (%i)', async (type, status, message, code, hint) => {
    const { provider, server } = await faulty((_, response) => refuse(response, status, type, message))
    const { error, thrown } = await readFailure(provider)
    expect(error).toMatchObject({ code, hint: expect.stringMatching(hint) })
    expect(error.message).toContain('aws:prod/db')
    expect(thrown).toBe(!['PERMISSION_DENIED', 'DELETED', 'REQUEST_REFUSED'].includes(code))
    expect(error.cause).toBeUndefined()
    // The core tries again, not this.
    expect(server.requests.length).toBe(1)
  })

  it('names the profile in what mends an expired session', async () => {
    const fault: Fault = (_, response) => refuse(response, 400, 'ExpiredTokenException', received)
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId)
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey)
    const environment = await faulty(fault, { auth: { method: 'default' } })
    expect((await readFailure(environment.provider)).error.hint).toMatch(/Renew AWS_ACCESS_KEY_ID/)
    const lines = await environment.provider.check!([ask('prod/db')], context)
    heard.add(lines)
    expect(lines.at(-1)).toMatchObject({
      label: 'logged in',
      ok: false,
      hint: expect.stringMatching(/Renew/),
    })
    expect(lines.map(({ label }) => label)).toEqual(['credentials', 'region', 'reachable', 'logged in'])
  })

  it('one batch entry each has its own error', async () => {
    const Errors = [
      { SecretId: 'denied', ErrorCode: 'AccessDeniedException', Message: received },
      { SecretId: 'kms', ErrorCode: 'DecryptionFailure', Message: received },
      { SecretId: 'gone', ErrorCode: 'InvalidRequestException', Message: `marked for deletion ${received}` },
      { SecretId: 'missing', ErrorCode: 'ResourceNotFoundException', Message: received },
      { SecretId: 'broken', ErrorCode: 'InternalServiceError', Message: received },
    ]
    const { provider, server } = await faulty(answer(200, JSON.stringify({ SecretValues: [], Errors })))
    const { results } = await readFailure(
      provider,
      Errors.map(({ SecretId }) => SecretId),
    )
    for (const result of results) heard.add(result)
    const codes = results.map((result) => (result instanceof SecretsError ? result.code : result))
    expect(codes).toEqual(['PERMISSION_DENIED', 'PERMISSION_DENIED', 'DELETED', undefined, 'SERVER_ERROR'])
    expect(server.requests.length).toBe(1)
  })

  it('one impossible name does not cost the others of its batch', async () => {
    const { provider } = await faulty(({ action, body }, response) => {
      if (action === 'BatchGetSecretValue' || body.SecretId === 'bad')
        return refuse(response, 400, 'InvalidParameterException', received)
      return answer(200, '{"SecretString":"ok"}')(undefined, response)
    })
    const { results } = await readFailure(provider, ['bad', 'good'])
    expect(results).toMatchObject([{ code: 'REQUEST_REFUSED' }, { value: 'ok' }])
  })

  it('a refused login stops the requests that have not begun', async () => {
    const { provider, server } = await faulty(({ action }, response) =>
      refuse(
        response,
        400,
        action === 'BatchGetSecretValue' ? 'AccessDeniedException' : 'ExpiredTokenException',
        received,
      ),
    )
    const names = Array.from({ length: 12 }, (_, index) => `s${index}`)
    const { error, thrown } = await readFailure(provider, names, contextFor(heard, { concurrency: 2 }))
    expect([error.code, thrown]).toEqual(['TOKEN_INVALID', true])
    expect(server.count('GetSecretValue')).toBeLessThanOrEqual(2)
  })

  it('never more under way than allowed', async () => {
    let running = 0
    let most = 0
    const { provider } = await faulty(({ action }, response) => {
      if (action === 'BatchGetSecretValue') return refuse(response, 400, 'AccessDeniedException', '')
      most = Math.max(most, ++running)
      setTimeout(() => {
        running--
        response.end('{"SecretString":"ok"}')
      }, 20)
      return true
    })
    const requests = Array.from({ length: 15 }, (_, index) => ask(`s${index}`))
    await provider.read(requests, contextFor(heard, { concurrency: 3 }))
    expect(most).toBe(3)
  })

  it('writing: KMS, deletion and a race', async () => {
    const write = async (fault: Fault) => {
      const { provider } = await faulty(fault)
      const error = await provider.write!({ path: 'prod/db', value: received }, context).catch(
        (error) => error,
      )
      heard.add(error)
      return error
    }
    expect(await write((_, response) => refuse(response, 400, 'EncryptionFailure', received))).toMatchObject({
      code: 'PERMISSION_DENIED',
      hint: expect.stringContaining('kms:GenerateDataKey'),
    })
    const deleted: Fault = (_, response) =>
      refuse(response, 400, 'InvalidRequestException', `scheduled for deletion ${received}`)
    expect(await write(deleted)).toMatchObject({ code: 'DELETED' })
    const raced: Fault = ({ action }, response) =>
      refuse(
        response,
        400,
        action === 'CreateSecret' ? 'ResourceExistsException' : 'ResourceNotFoundException',
        received,
      )
    expect(await write(raced)).toMatchObject({ code: 'CONFLICT' })
  })
})

describe('other faults', () => {
  it.each([
    ['HTML', 200, `<html>${received}</html>`, {}, 'RESPONSE_MALFORMED'],
    ['HTML of a proxy', 403, `<html>${received}</html>`, {}, 'RESPONSE_MALFORMED'],
    ['HTML with a fault', 502, `<html>${received}</html>`, {}, 'SERVER_ERROR'],
    ['cut JSON', 200, `{"SecretString":"${received}`, {}, 'RESPONSE_MALFORMED'],
    ['JSON of another kind', 200, `["${received}"]`, {}, 'RESPONSE_MALFORMED'],
    ['no value', 200, `{"Name":"${received}"}`, {}, 'RESPONSE_MALFORMED'],
    ['a number for a value', 200, '{"SecretString":5}', {}, 'RESPONSE_MALFORMED'],
    ['nothing', 200, '', {}, 'RESPONSE_MALFORMED'],
    ['a redirect', 307, '', { location: `http://127.0.0.1:1/?${received}` }, 'REDIRECT_REFUSED'],
  ] as const)('%s (%i)', async (_, status, body, headers, code) => {
    const { provider } = await faulty(answer(status, body, headers))
    expect((await readFailure(provider)).error.code).toBe(code)
    const many = await readFailure(provider, ['prod/db', 'prod/api'])
    expect([many.error.code, many.thrown]).toEqual([code, true])
  })

  it.each([
    [400, 'REQUEST_REFUSED'],
    [403, 'REQUEST_REFUSED'],
    [404, 'REQUEST_REFUSED'],
    [405, 'REQUEST_REFUSED'],
    [412, 'REQUEST_REFUSED'],
    [429, 'RATE_LIMITED'],
    [472, 'REQUEST_REFUSED'],
    [473, 'REQUEST_REFUSED'],
    [500, 'SERVER_ERROR'],
    [501, 'UNSUPPORTED'],
    [502, 'SERVER_ERROR'],
    [503, 'SERVER_ERROR'],
  ] as const)('status %i without a name for what is wrong', async (status, code) => {
    const { provider } = await faulty(answer(status, JSON.stringify({ message: received })))
    expect((await readFailure(provider)).error.code).toBe(code)
  })

  it('an answer that drips has its end too', async () => {
    let timer: NodeJS.Timeout | undefined
    const { provider } = await faulty((_, response) => {
      response.writeHead(200, { 'content-length': '100000' })
      timer = setInterval(() => response.write(received.slice(0, 1)), 10)
      return true
    })
    const given = contextFor(heard, { signal: AbortSignal.timeout(200) })
    expect((await readFailure(provider, ['a'], given)).error.code).toBe('TIMEOUT')
    clearInterval(timer)
  })

  it('a session that expires in the middle: what was read stays, and the next read logs in anew', async () => {
    let expired = false
    const { provider } = await faulty((_, response) =>
      expired
        ? refuse(response, 400, 'ExpiredTokenException', received)
        : answer(200, '{"SecretString":"ok","VersionId":"v"}')(undefined, response),
    )
    expect(await provider.read([ask('a')], context)).toMatchObject([{ value: 'ok' }])
    expired = true
    expect((await readFailure(provider)).error.code).toBe('TOKEN_INVALID')
    expired = false
    expect(await provider.read([ask('a')], context)).toMatchObject([{ value: 'ok' }])
  })

  const namely = (status: number, type: string) => (_: unknown, response: ServerResponse) =>
    refuse(response, status, type, received)
  it.each([
    ['an expired session', namely(400, 'ExpiredTokenException'), 'TOKEN_INVALID'],
    ['a denial', namely(400, 'AccessDeniedException'), 'PERMISSION_DENIED'],
    ['a fault', namely(500, 'InternalServiceError'), 'SERVER_ERROR'],
    ['a page', answer(200, `<html>${received}</html>`), 'RESPONSE_MALFORMED'],
  ] as const)('every other call says %s too', async (_, fault, code) => {
    const { provider } = await faulty(fault)
    const every = provider as Required<Provider>
    const path = 'prod/db'
    const calls = {
      list: every.list('', context),
      write: every.write({ path, value: received }, context),
      create: every.write({ path, value: received, expected: null }, context),
      writeExpecting: every.write({ path, value: received, expected: 'v' }, context),
      patch: every.patch({ path, set: { a: received } }, context),
      remove: every.remove({ path }, context),
      removeForEver: every.remove({ path, forever: true }, context),
      restore: every.restore({ path }, context),
      history: every.history(path, context),
      rollback: every.rollback({ path, version: 'v' }, context),
      metadata: every.metadata(path, context),
      annotate: every.annotate({ path, custom: { owner: 'me', gone: '' } }, context),
    }
    const ends = await Promise.allSettled(Object.values(calls))
    for (const [index, name] of Object.keys(calls).entries()) {
      const end = ends[index]!
      heard.add(end)
      const error = end.status === 'rejected' ? (end.reason as SecretsError) : undefined
      expect([name, error?.code]).toEqual([name, code])
      expect(error?.hint).toBeTruthy()
    }
  })

  it('Retry-After', async () => {
    const { provider } = await faulty(answer(503, '', { 'retry-after': '7' }))
    expect((await readFailure(provider)).error).toMatchObject({ code: 'SERVER_ERROR', retryAfter: 7000 })
    const { provider: other } = await faulty(answer(429, '', { 'retry-after': 'soon' }))
    expect((await readFailure(other)).error).toMatchObject({ code: 'RATE_LIMITED', retryAfter: undefined })
  })

  it('the same page of a batch for ever', async () => {
    const { provider, server } = await faulty(answer(200, '{"SecretValues":[],"NextToken":"again"}'))
    expect((await readFailure(provider, ['a', 'b'])).error.code).toBe('RESPONSE_MALFORMED')
    expect(server.requests.length).toBe(2)
  })

  it('lists of another kind', async () => {
    const { provider } = await faulty(
      answer(200, '{"SecretValues":[null,5,{}],"Errors":7,"SecretList":{"a":1}}'),
    )
    expect((await readFailure(provider, ['a', 'b'])).error.code).toBe('RESPONSE_MALFORMED')
    expect(await provider.list!('', context)).toEqual([])
  })

  it('an endpoint of the environment that is none', async () => {
    vi.stubEnv('AWS_ENDPOINT_URL', `nowhere-${received}`)
    const { error } = await readFailure(make({}))
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', hint: expect.stringContaining('AWS_ENDPOINT_URL') })
  })

  it('cut connections', async () => {
    const { provider } = await faulty((_, response) => {
      response.socket!.destroy()
      return true
    })
    expect((await readFailure(provider)).error.code).toBe('UNREACHABLE')
    const { provider: halfway } = await faulty((_, response) => {
      response.writeHead(200, { 'content-length': '500' }).write(`{"SecretString":"${received}`)
      setImmediate(() => response.destroy())
      return true
    })
    expect((await readFailure(halfway)).error.code).toBe('UNREACHABLE')
  })

  it('nobody there: names the endpoint and the region', async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`
    const provider = make({ endpoint })
    const { error, thrown } = await readFailure(provider, ['a', 'b', 'c'])
    expect([error.code, error.transient, thrown]).toEqual(['UNREACHABLE', true, true])
    expect(error.message).toContain(`${endpoint} cannot be reached (ECONNREFUSED)`)
    expect(error.hint).toMatch(new RegExp(`${endpoint}.*${region}`))
    const lines = await provider.check!([ask('a')], context)
    expect(lines.at(-1)).toMatchObject({ label: 'reachable', ok: false })
  })

  it('a region that does not exist', async () => {
    const { error } = await readFailure(make({ region: 'eu-wst-1' }))
    // A resolver that is not there itself may take its time.
    expect(['UNREACHABLE', 'TIMEOUT']).toContain(error.code)
    expect(error.hint).toContain('the region eu-wst-1 exists')
  })

  it('TLS with somebody who does not speak it', async () => {
    const { error } = await readFailure(make({ endpoint: moto.replace('http:', 'https:') }))
    expect([error.code, error.transient]).toEqual(['TLS_FAILED', false])
  })

  it('keys with a line break', async () => {
    const { provider } = await faulty(() => true, { auth: { ...keys, accessKeyId: `${accessKeyId}\n` } })
    expect((await readFailure(provider)).error).toMatchObject({
      code: 'LOGIN_REFUSED',
      hint: expect.stringMatching(/line break/),
    })
  })
})

describe('time', () => {
  const silent: Fault = () => true
  const stuck: Fault = (_, response) => {
    response.writeHead(200).write('{"SecretStr')
    return true
  }

  it.each([
    ['before the head', silent],
    ['in the body', stuck],
  ])('the signal ends what hangs %s', async (_, fault) => {
    const arrived = new EventEmitter()
    const { provider } = await faulty((recorded, response) => {
      arrived.emit('request')
      return fault(recorded, response)
    })
    const request = once(arrived, 'request')
    const controller = new AbortController()
    const reading = readFailure(provider, ['a', 'b'], contextFor(heard, { signal: controller.signal }))
    await request
    controller.abort()
    expect((await reading).error.code).toBe('ABORTED')
    const late = contextFor(heard, { signal: AbortSignal.timeout(50) })
    expect((await readFailure(provider, ['a'], late)).error.code).toBe('TIMEOUT')
    // Gone before it began: nothing is sent.
    expect(
      (await readFailure(provider, ['a'], contextFor(heard, { signal: controller.signal }))).error.code,
    ).toBe('ABORTED')
  })

  it('a request has its own end, wherever it hangs', async () => {
    const ends = [silent, stuck].map(async (fault) => {
      const { provider } = await faulty(fault)
      return readFailure(provider, ['a'], contextFor(heard, { signal: new AbortController().signal }))
    })
    for (const { error } of await Promise.all(ends)) {
      expect([error.code, error.transient]).toEqual(['TIMEOUT', true])
      expect(error.message).toMatch(/127\.0\.0\.1:\d+ did not answer in time/)
    }
  })
})
