import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import react from '@vitejs/plugin-react'
import vue from '@vitejs/plugin-vue'
import { describe, expect, it } from 'vitest'
import { dotenv, local } from '../src/providers/index.ts'
import { onSecretsChange } from '../src/runtime/index.ts'
import { COUNT, DevPage, PAGE } from './support/dev-page.ts'
import { fromLocal } from './support/project.ts'
import { contextFor } from './support/workspace.ts'

const dev = new DevPage()
const { secret, open, set, start, visit, shows, editsTo, loads, restarts, until } = dev

describe('a client secret', () => {
  it('is updated in a React component, whose state is kept, and in readers of import.meta.env', async () => {
    const [first, second, other] = [open(), open(), open()]
    await start(
      {
        'src/main.ts': `${COUNT}import './app.jsx'`,
        'src/app.jsx': `import { createRoot } from 'react-dom/client'
          import { Counter } from './counter.jsx'
          createRoot(document.querySelector('#root')).render(<Counter />)`,
        'src/counter.jsx': `import { useState } from 'react'
          import { MAPS_KEY } from 'virtual:secrets/client'
          export function Counter() {
            const [count, setCount] = useState(0)
            return <button onClick={() => setCount(count + 1)}>{MAPS_KEY} {import.meta.env.OTHER} {count}</button>
          }`,
      },
      { MAPS_KEY: first, OTHER: other },
      fromLocal(['MAPS_KEY', 'OTHER'], { client: ['MAPS_KEY', 'OTHER'] }),
      { plugins: [react()] },
    )
    await visit()
    await shows(`${first} ${other} 0`, 'button')
    for (let click = 0; click < 3; click++) await dev.page.click('button')
    await shows(`${first} ${other} 3`, 'button')
    const before = await loads()
    await set('MAPS_KEY', second)
    await shows(`${second} ${other} 3`, 'button')
    const next = open()
    await set('OTHER', next)
    await shows(`${second} ${next} 3`, 'button')
    expect(await loads()).toBe(before)
    expect(dev.project.output.filter((line) => /changed/.test(line))).toEqual([
      '[secrets] MAPS_KEY changed at the provider',
      '[secrets] OTHER changed at the provider',
    ])
  })

  it('is updated in a Vue component, whose state is kept unless its setup has taken the value', async () => {
    const [first, second, third, other, next] = [open(), open(), open(), open(), open()]
    await start(
      {
        'src/main.ts': `${COUNT}import { createApp } from 'vue'
          import Page from './Page.vue'
          createApp(Page).mount('#root')`,
        'src/Page.vue': `<script setup lang="ts">
            import Counter from './Counter.vue'
            import Taken from './Taken.vue'
            import Derived from './Derived.vue'
          </script>
          <template><Counter /><Taken /><Derived /></template>`,
        'src/Counter.vue': `<script setup lang="ts">
            import { ref } from 'vue'
            import { MAPS_KEY } from 'virtual:secrets/client'
            const count = ref<number>(0)
          </script>
          <template><button id="counter" @click="count++">{{ MAPS_KEY }} {{ count }}</button></template>`,
        'src/Taken.vue': `<script setup>
            import { ref } from 'vue'
            import { MAPS_KEY } from 'virtual:secrets/client'
            const count = ref(0)
            const other = import.meta.env.OTHER
          </script>
          <template><button id="taken" @click="count++">{{ MAPS_KEY }} {{ other }} {{ count }}</button></template>`,
        'src/derived.ts': `import { MAPS_KEY } from 'virtual:secrets/client'
          export const derived = 'of ' + MAPS_KEY`,
        'src/Derived.vue': `<script setup>
            import { MAPS_KEY } from 'virtual:secrets/client'
            import { derived } from './derived.ts'
          </script>
          <template><p id="derived">{{ MAPS_KEY }} {{ derived }}</p></template>`,
      },
      { MAPS_KEY: first, OTHER: other },
      fromLocal(['MAPS_KEY', 'OTHER'], { client: ['MAPS_KEY', 'OTHER'] }),
      { plugins: [vue()] },
    )
    await visit()
    await shows(`${first} 0`, '#counter')
    for (let click = 0; click < 3; click++) await dev.page.click('#counter')
    for (let click = 0; click < 2; click++) await dev.page.click('#taken')
    await shows(`${first} 3`, '#counter')
    await shows(`${first} ${other} 2`, '#taken')
    await shows(`${first} of ${first}`, '#derived')
    const before = await loads()
    for (const value of [second, third]) {
      await set('MAPS_KEY', value)
      await shows(`${value} 3`, '#counter')
      await shows(`${value} ${other} 2`, '#taken')
      await shows(`${value} of ${value}`, '#derived')
    }
    await set('OTHER', next)
    await shows(`${third} ${next} 0`, '#taken')
    await shows(`${third} 3`, '#counter')
    // An edit of the component itself is Vue's own affair.
    const counter = readFileSync(join(dev.project.root, 'src/Counter.vue'), 'utf8')
    await dev.edits({ 'src/Counter.vue': counter.replace('ref<number>(0)', 'ref<number>(7)') }, () =>
      shows(`${third} 7`, '#counter'),
    )
    expect(await loads()).toBe(before)
  })

  it('reaches an importer that accepts it, with an event of names; fifty in a row lose none', async () => {
    const first = open()
    await start(
      {
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          const show = (value) => { document.querySelector('#out').textContent = value }
          show(A)
          import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))
          import.meta.hot.on('secrets:update', ({ names }) => { globalThis.told = names })`,
      },
      { A: first, B: secret() },
      fromLocal(['A', 'B'], { client: ['A'] }),
    )
    await visit()
    await shows(first)
    for (let round = 0; round < 50; round++) {
      const next = open()
      await Promise.all([set('A', next), set('B', secret())])
      if (round % 10 === 9) await shows(next)
    }
    expect(await dev.page.evaluate('globalThis.told')).toEqual(['A'])
    expect(await loads()).toBe(1)
  })

  it('is there in a worker, which is loaded again with its page', async () => {
    const [first, second] = [open(), open()]
    await start(
      {
        'src/main.ts': `${COUNT}const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })
          worker.onmessage = ({ data }) => { document.querySelector('#out').textContent = data }
          document.title = import.meta.env.A`,
        'src/worker.ts': `import { A } from 'virtual:secrets/client'
          postMessage(A + import.meta.env.A)`,
      },
      { A: first },
      fromLocal(['A'], { client: ['A'] }),
    )
    await visit()
    await shows(first + first)
    await set('A', second)
    await shows(second + second)
    expect([await loads(), dev.errors]).toEqual([2, []])
  })

  it('reloads the page once where nobody accepts it, and where the page itself shows it', async () => {
    const [first, second] = [open(), open()]
    await start(
      {
        'index.html': PAGE.replace('<p ', '<title>%TITLE%</title><p '),
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = import.meta.env.A`,
      },
      { A: first, TITLE: open() },
      fromLocal(['A', 'TITLE'], { client: ['A', 'TITLE'] }),
    )
    await visit()
    await shows(first)
    await set('A', second)
    await shows(second)
    expect(await loads()).toBe(2)
    const title = open()
    await set('TITLE', title)
    await until(async () => expect(await dev.page.title()).toBe(title))
    await shows(second)
    expect(await loads()).toBe(3)
  })

  it('is the new one where a page shows it that was still loading', async () => {
    const [first, second] = [open(), open()]
    await start(
      {
        'index.html': PAGE.replace('<p ', '<title>%TITLE%</title><p '),
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = 'here'`,
      },
      { TITLE: first },
      fromLocal(['TITLE'], { client: ['TITLE'] }),
    )
    // With a page that listens, Vite keeps nothing for those that do not yet.
    const other = await dev.browser.newPage()
    const connected = other.waitForEvent('console', (message) => message.text().includes('connected'))
    await other.goto(dev.server.resolvedUrls!.local[0]!)
    await connected
    // Its scripts wait, the one that listens for changes among them.
    let go = (): void => {}
    const gone = new Promise<void>((resolve) => {
      go = resolve
    })
    await dev.page.route(/@vite\/client|html-proxy/, async (route) => {
      await gone
      await route.continue()
    })
    await dev.page.goto(dev.server.resolvedUrls!.local[0]!, { waitUntil: 'commit' })
    await until(async () => expect(await dev.page.title()).toBe(first))
    const changed = dev.project.output.length
    await set('TITLE', second)
    await until(() => expect(dev.project.output.slice(changed).join()).toContain('TITLE changed'))
    go()
    await until(async () => expect(await dev.page.title()).toBe(second))
    await shows('here')
    await other.close()
  })
})

describe('a .env file', () => {
  it('updates by HMR where dotenv reads it; Vite restarts for what is not a secret', async () => {
    const [first, second, third] = [open(), open(), open()]
    await start(
      {
        '.env': `A=${first}\nVITE_OWN=one\n`,
        'src/main.ts': `${COUNT}import { A } from 'virtual:secrets/client'
          const show = (value) => { document.querySelector('#out').textContent = value + import.meta.env.VITE_OWN }
          show(A)
          import.meta.hot.accept('virtual:secrets/client', (module) => show(module.A))`,
      },
      {},
      { providers: { files: dotenv() }, secrets: { A: 'files:A' }, client: ['A'] },
    )
    await visit()
    await shows(`${first}one`)
    await editsTo({ '.env': `A=${second}\nVITE_OWN=one\n` }, `${second}one`)
    expect(await loads()).toBe(1)
    expect(restarts()).toEqual([])
    dev.mayRestart = 1
    await editsTo({ '.env': `A=${second}\nVITE_OWN=two\n` }, `${second}two`)
    // The plugin object is the same as before, and follows on.
    await editsTo({ '.env': `A=${third}\nVITE_OWN=two\n` }, `${third}two`)
    expect(await loads()).toBe(2)
  })
})

describe('a server secret', () => {
  it('is in the live bindings at once, runs its importers anew, and leaves the page alone', async () => {
    const [first, second] = [secret(), secret()]
    await start(
      {
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = 'here'`,
        'src/server.ts': `import { DATABASE_URL } from 'virtual:secrets/server'
          globalThis.poolsMade = (globalThis.poolsMade ?? 0) + 1
          export const pool = DATABASE_URL
          export const read = () => [DATABASE_URL, import.meta.env.DATABASE_URL]`,
      },
      { DATABASE_URL: first },
      fromLocal(['DATABASE_URL']),
    )
    await visit()
    await shows('here')
    const before = await dev.server.ssrLoadModule('/src/server.ts')
    expect(before.read()).toEqual([first, first])
    await until(() => expect(dev.frames.join()).toContain('connected'))
    const frames = dev.frames.length
    const told: (readonly string[])[] = []
    const stop = onSecretsChange((names) => told.push(names))
    await set('DATABASE_URL', second)
    await until(() => expect(before.read()).toEqual([second, second]))
    const after = await dev.server.ssrLoadModule('/src/server.ts')
    expect([before.pool, after.pool]).toEqual([first, second])
    expect(told).toEqual([['DATABASE_URL']])
    stop()
    const third = secret()
    await set('DATABASE_URL', third)
    await until(() =>
      expect([before.read(), after.read()]).toEqual([
        [third, third],
        [third, third],
      ]),
    )
    expect(await loads()).toBe(1)
    expect(dev.frames.slice(frames)).toEqual([])
    expect(dev.project.output.join('\n')).not.toContain('reload')
    expect(told).toHaveLength(1)
  })

  it('that an import brings is there, and gone, as it is at its place', async () => {
    const value = secret()
    const before = dev.frames.length
    await start(
      {
        'tsconfig.json': '{}',
        'src/main.ts': `${COUNT}document.querySelector('#out').textContent = 'here'`,
        'src/server.ts': `export const read = () => import.meta.env.LATE`,
      },
      { EARLY: secret() },
      { providers: { local: local() }, import: ['local:*'] },
    )
    await visit()
    await shows('here')
    // What is sent before the page listens again is not heard.
    const isLoaded = (times: number): Promise<void> =>
      until(async () => {
        expect(await loads()).toBe(times)
        expect(dev.frames.slice(before).filter((frame) => frame.includes('connected'))).toHaveLength(times)
      })
    await isLoaded(1)
    const read = async (): Promise<unknown> => (await dev.server.ssrLoadModule('/src/server.ts')).read()
    expect(await read()).toBeUndefined()
    await set('LATE', value)
    await until(async () => expect(await read()).toBe(value))
    await isLoaded(2)
    await until(() =>
      expect(readFileSync(join(dev.project.root, 'src/secrets-env.d.ts'), 'utf8')).toContain('LATE'),
    )
    await local().remove!({ path: 'LATE' }, contextFor(dev.project.root))
    await until(async () => expect(await read()).toBeUndefined())
    // Both times names were other ones: a server that is closed under a page that loads may wait for it for ever.
    await isLoaded(3)
    await shows('here')
  })
})
