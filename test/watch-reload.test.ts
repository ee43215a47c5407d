import { afterEach, describe, expect, it, vi } from 'vitest'
import { createSecrets } from '../src/core/pipeline.ts'
import type { Snapshot } from '../src/core/snapshot.ts'
import type { SecretsConfig } from '../src/core/types.ts'
import { canary } from './support/canary.ts'
import { failure, makeProject, type Project, place } from './support/core.ts'

let project: Project
afterEach(() => {
  project.remove()
  vi.unstubAllEnvs()
})

/** A place with a value that can be held back. */
function held() {
  const state = { value: canary(), hold: undefined as Promise<void> | undefined }
  const provider = place(async (requests) => {
    const { value, hold } = state
    await hold
    return requests.map(() => ({ value, version: value }))
  })
  return { state, provider }
}

const open = (provider: ReturnType<typeof held>['provider'], more: SecretsConfig = {}) => {
  project = makeProject()
  return createSecrets({
    root: project.root,
    providers: { place: provider },
    secrets: { KEY: 'place:key' },
    cache: { directory: project.cache },
    watch: { interval: Infinity },
    ...more,
  })
}

describe('a watch that is asked to read anew', () => {
  it('asks whatever the cache has, tells what differs once, and compares with that from then on', async () => {
    const { state, provider } = held()
    const secrets = await open(provider)
    await secrets.load()
    const told: string[][] = []
    const watch = await secrets.watch({ onChange: (names) => void told.push([...names]) })
    const same = await watch.reload(true)
    expect([told, provider.calls.length]).toEqual([[], 2])
    state.value = canary()
    const next = await watch.reload(['KEY'])
    expect(told).toEqual([['KEY']])
    expect(next.get('KEY')!.reveal()).toBe(state.value)
    expect(next.meta('KEY')!.fetchedAt).toBeGreaterThanOrEqual(same.meta('KEY')!.fetchedAt!)
    await watch.check()
    expect(told).toHaveLength(1)
    expect((await failure(watch.reload(['NOBODY']))).code).toBe('NOT_FOUND')
    await secrets.close()
  })

  it('comes behind a look that is under way, whose answer may be older', async () => {
    const { state, provider } = held()
    const secrets = await open(provider)
    await secrets.load()
    const seen: string[] = []
    const watch = await secrets.watch({
      onChange: (_, snapshot: Snapshot) => void seen.push(snapshot.get('KEY')!.reveal()),
    })
    const [older, newer] = [canary(), canary()]
    let release = (): void => {}
    state.hold = new Promise((resolve) => {
      release = resolve
    })
    state.value = older
    const look = watch.check()
    await vi.waitFor(() => expect(provider.calls).toHaveLength(2))
    state.value = newer
    const reload = watch.reload(true)
    release()
    await Promise.all([look, reload])
    expect(seen).toEqual([older, newer])
    await secrets.close()
  })

  it('hands on what its listener refuses, and is ended with the watch', async () => {
    const { state, provider } = held()
    const secrets = await open(provider)
    await secrets.load()
    const watch = await secrets.watch({
      onChange: () => {
        throw new Error('no')
      },
    })
    state.value = canary()
    expect((await failure(watch.reload(true))).code).toBe('REQUEST_REFUSED')
    watch.stop()
    expect((await failure(watch.reload(true))).code).toBe('ABORTED')
    await secrets.close()
  })

  it('says of each provider what came of the question', async () => {
    const { provider } = held()
    const secrets = await open(provider)
    await secrets.load()
    const asked: unknown[][] = []
    const watch = await secrets.watch({
      onChange: () => {},
      onAsked: (name, error) => void asked.push([name, error?.code]),
    })
    await watch.check()
    expect(asked).toEqual([['place', undefined]])
    await secrets.close()
  })
})

describe('a configuration', () => {
  it('can be opened without the profile that is chosen, and says which ones there are', async () => {
    const { provider } = held()
    const chosen = { profile: 'a', profiles: { a: {}, b: {} } }
    const secrets = await open(provider, chosen)
    expect(secrets.config).toMatchObject({ profile: 'a', profiles: ['a', 'b'] })
    const without = await createSecrets({
      root: project.root,
      providers: { place: provider },
      secrets: { KEY: 'place:key' },
      ...chosen,
      withoutProfile: true,
    })
    expect(without.config.profile).toBeUndefined()
    await secrets.close()
  })

  it('says whether a dev server has the dashboard, and for whom', async () => {
    const { provider } = held()
    const settings = async (dashboard?: SecretsConfig['dashboard']) =>
      (await open(provider, dashboard === undefined ? {} : { dashboard })).config.dashboard
    expect(await settings()).toEqual({ remote: false })
    expect(await settings(true)).toEqual({ remote: false })
    expect(await settings({ remote: true })).toEqual({ remote: true })
    expect(await settings(false)).toBe(false)
    for (const wrong of ['yes', { remote: 'yes' }, { remotely: true }])
      expect((await failure(settings(wrong as never))).code).toBe('CONFIG_INVALID')
  })
})
