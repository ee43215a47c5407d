import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { createRedactor, Secret } from '../src/core/redact.ts'
import { RedactStream } from '../src/core/redact-stream.ts'
import { canary } from './support/canary.ts'

async function through(secrets: Secret[], chunks: Buffer[]): Promise<Buffer> {
  const stream = new RedactStream(secrets)
  const out: Buffer[] = []
  stream.on('data', (chunk: Buffer) => out.push(chunk))
  for (const chunk of chunks) stream.write(chunk)
  await new Promise<void>((resolve) => stream.end(resolve))
  return Buffer.concat(out)
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length))
}

// Few letters, so that values overlap, repeat and stand inside one another.
const word = (min: number, max: number) =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'ä', '\n', '"', '='), minLength: min, maxLength: max })

it('gives the same as the whole text however it is cut', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(word(0, 9), { maxLength: 4 }),
      fc.array(fc.oneof(word(0, 12), fc.nat(3)), { maxLength: 8 }),
      fc.array(fc.nat(), { maxLength: 12 }),
      async (values, parts, places) => {
        const secrets = values.map((value, index) => new Secret(`S${index}`, value))
        const text = parts.map((part) => (typeof part === 'number' ? (values[part] ?? '') : part)).join('')
        const shown = await through(secrets, cut(Buffer.from(text), places))
        expect(shown.toString()).toBe(createRedactor(secrets).apply(text))
      },
    ),
    { numRuns: 1500 },
  )
})

it('leaves no value and no encoding of it, in any cut', async () => {
  const secrets = [
    new Secret('ONE', canary()),
    new Secret('LINES', `${canary()}\n${canary()}\r\n"${canary()}"`),
    new Secret('JSON', JSON.stringify({ key: canary() })),
  ]
  const forms = secrets.flatMap((secret) => {
    const value = secret.reveal()
    const inside = Buffer.from(`user:${value}`).toString('base64')
    return [
      value,
      JSON.stringify(value),
      Buffer.from(value).toString('base64'),
      inside,
      ...value.split(/\r?\n/),
    ]
  })
  const text = forms.map((form) => `before ${form} after`).join('\n')
  for (const size of [1, 2, 7, 64, text.length]) {
    const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, index) =>
      Buffer.from(text.slice(index * size, (index + 1) * size)),
    )
    const shown = (await through(secrets, chunks)).toString()
    for (const form of forms) expect(shown.includes(form.slice(0, -4))).toBe(false)
    expect(shown.match(/before/g)).toHaveLength(forms.length)
    expect(shown.match(/after/g)).toHaveLength(forms.length)
  }
})

it('passes on bytes that are no text', async () => {
  const bytes = randomBytes(100_000)
  expect(await through([new Secret('A', canary())], cut(bytes, [1, 5, 4096, 70_001]))).toEqual(bytes)
})

it('shows a prompt at once, and a harmless beginning of a value after a moment', async () => {
  const stream = new RedactStream([new Secret('A', '? is how this one begins')])
  let shown = ''
  stream.on('data', (chunk: Buffer) => {
    shown += chunk.toString()
  })
  stream.write('Password: ')
  expect(shown).toBe('Password: ')
  stream.write('Sure?')
  expect(shown).toBe('Password: Sure')
  while (shown !== 'Password: Sure?') await sleep(10)
  // The rest of the value is covered even so.
  stream.write(' is how this one begins, and more')
  expect(shown).toBe('Password: Sure?[secret A], and more')
})

it('does not look again at what it put in', () => {
  const redactor = createRedactor([new Secret('A', 'secret'), new Secret('B', 'two words')])
  expect(redactor.apply('two words, one secret')).toBe('[secret B], one [secret A]')
})
