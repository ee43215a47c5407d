import { createParser } from 'eventsource-parser'
import type { DashboardState } from '../api.ts'
import { ask, Failure, Refused } from './requests.ts'
import { change, now } from './store.ts'

const FIRST_WAIT = 500
const LONGEST_WAIT = 15_000

/** Counts events: an answer that was asked for before one is older than it, and not taken. */
let events = 0
let attempts = 0
let timer: ReturnType<typeof setTimeout> | undefined
let stream: AbortController | undefined

/** Shows a state. A selection or filter that it no longer has anything for is dropped. */
function show(state: DashboardState): void {
  const { selected, filter } = now()
  change({
    state,
    selected: state.secrets.some(({ name }) => name === selected) ? selected : undefined,
    filter: state.providers.some(({ name }) => name === filter.provider)
      ? filter
      : { ...filter, provider: '' },
  })
}

/** Runs a request whose answer is a state, and shows that unless something newer came meanwhile. */
export async function takeState(request: () => Promise<DashboardState>): Promise<DashboardState> {
  const seen = events
  const state = await request()
  if (seen === events) show(state)
  return now().state ?? state
}

/** Follows the server until it goes, and comes back to it. A second call starts anew, at once. */
export function connect(): void {
  clearTimeout(timer)
  stream?.abort()
  const own = (stream = new AbortController())
  if (now().connection.is !== 'gone') change({ connection: { is: 'connecting' } })
  follow(own.signal)
    .catch((error: unknown) => error)
    .then((error) => {
      if (own.signal.aborted) return
      own.abort()
      lost(error)
    })
}

/** The stream first, then the state: nothing that changes in between is missed. */
async function follow(signal: AbortSignal): Promise<void> {
  const answer = await ask('events', { signal })
  const reading = read(answer, signal)
  const first = takeState(async () => (await ask('state', { signal })).json())
  await Promise.race([first, reading])
  if (signal.aborted) return
  attempts = 0
  change({ connection: { is: 'live' } })
  await reading
}

async function read({ body }: Response, signal: AbortSignal): Promise<void> {
  const parser = createParser({
    onEvent({ event, data }) {
      if (event !== 'state' || signal.aborted) return
      events++
      show(JSON.parse(data))
    },
  })
  const reader = body!.pipeThrough(new TextDecoderStream()).getReader()
  for (;;) {
    const { done, value } = await reader.read()
    if (done) return
    parser.feed(value)
  }
}

/** Says what became of the connection, and tries again where that may help. */
export function lost(error: unknown): void {
  if (error instanceof Refused) {
    stream?.abort()
    clearTimeout(timer)
    change({ connection: { is: 'refused' } })
    return
  }
  const most = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** attempts++)
  const wait = most * (0.75 + Math.random() / 4)
  change({
    connection: { is: 'gone', again: Date.now() + wait },
    ...(error instanceof Failure && {
      notice: { text: 'The state could not be read.', problem: error.problem },
    }),
  })
  clearTimeout(timer)
  timer = setTimeout(connect, wait)
}
