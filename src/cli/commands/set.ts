import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import { note, result, warn } from '../output.ts'

export default command({
  name: 'set',
  description: 'Store a value where NAME is read from, else in the local vault',
  examples: [
    ['secrets set STRIPE_KEY', 'asks for the value without showing it'],
    ['secrets set TLS_KEY < key.pem', 'reads it from a file, several lines too'],
    ['secrets set API_URL --env production', 'only for one environment'],
  ],
  args: {
    name: { type: 'positional', required: true, description: 'The name of the secret' },
    value: { type: 'positional', required: false, description: 'Its value; better typed or piped in' },
  },
  async run({ flags }) {
    const { name, env, json } = flags
    const { withSecrets } = await import('../context.ts')
    const { targetOf } = await import('../target.ts')
    const { writeTo } = await import('../write.ts')
    await withSecrets(flags, async ({ config, contextFor }) => {
      const target = targetOf(config, name, 'write')
      const value = await givenValue(name, flags.value)
      const { path, field } = target
      await writeTo(config, target, value, { environment: env }, contextFor(target.name))
      if (target.remark) warn(target.remark)
      const data = { name, provider: target.name, path, field: field ?? null, environment: env ?? null }
      const where = env === undefined ? '' : ` for ${env}`
      result(
        json === true,
        data,
        () => `Set ${name}${where} in ${target.name} (${target.provider.location}).`,
      )
    })
  },
})

async function givenValue(name: string, argument: string | undefined): Promise<string> {
  if (argument !== undefined) {
    warn('The value stands in the history of your shell now. Leave it out to be asked, or pipe it in.')
    return argument
  }
  const { askSecret, canAsk } = await import('../prompt.ts')
  if (canAsk()) return askSecret(`Value of ${name}`)
  if (process.stdin.isTTY) note(`Reading the value of ${name} until Ctrl-D.`)
  const chunks: Buffer[] = []
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.concat(chunks))
    return text.replace(/\r?\n$/, '')
  } catch {
    throw usageError('The value on the standard input is not UTF-8 text.', 'Encode bytes as base64 first.')
  }
}
