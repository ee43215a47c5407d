import { command } from '../command.ts'
import { usageError } from '../errors.ts'
import { untilStopped } from '../interrupt.ts'
import { note, print } from '../output.ts'

export default command({
  name: 'dashboard',
  description: 'Show providers, secrets and what changes in a browser, on this machine only',
  examples: [
    ['secrets dashboard', 'prints an address to open; it holds until Ctrl-C'],
    ['secrets dashboard --port 4321 --profile staging', 'always on the same port'],
  ],
  args: {
    port: { type: 'string', description: 'The port; 0 for a free one', default: '0', valueHint: 'number' },
  },
  async run({ flags }) {
    const port = portOf(flags.port)
    const { optionsOf } = await import('../context.ts')
    const { serveDashboard } = await import('../../dashboard/server.ts')
    const server = await serveDashboard({ ...optionsOf(flags), dev: true, port })
    const stopped = untilStopped()
    if (flags.json === true) print(JSON.stringify({ url: server.url }))
    else {
      print(server.url)
      note('Whoever has this address can change local values. Stop it with Ctrl-C.')
    }
    await stopped
    // What providers were lent is given back.
    await server.close()
    process.exit(0)
  },
})

function portOf(text: string | undefined): number {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : Number.NaN
  if (port <= 65_535) return port
  throw usageError('--port must be a number from 0 to 65535.', 'See: secrets dashboard --help')
}
