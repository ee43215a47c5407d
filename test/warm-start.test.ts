import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { afterAll, expect, inject, it, vi } from 'vitest'
import { Bao } from './support/bao.ts'
import { canariesIn, canary } from './support/canary.ts'
import { makeWorkspace } from './support/workspace.ts'

const workspace = makeWorkspace()
afterAll(() => {
  workspace.remove()
  vi.unstubAllEnvs()
})

it('asks nobody and loads no SDK while the cache is fresh', async () => {
  const value = canary('warm')
  const { bao: server } = inject('servers')
  const mount = `kv-${canary('m').slice(-8)}`
  const bao = new Bao({ url: server.url, token: server.token })
  await bao.mount(mount, 2)
  await bao.write2(mount, 'app', { one: value })

  let requests = 0
  const proxy = createServer((incoming, response) => {
    requests++
    const onward = request(
      server.url + incoming.url,
      { method: incoming.method!, headers: incoming.headers },
      (answer) => {
        response.writeHead(answer.statusCode!, answer.headers)
        answer.pipe(response)
      },
    )
    incoming.pipe(onward)
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`

  // The plugin's own session, bundled the way it is published: our code in chunks, packages outside.
  const out = fileURLToPath(new URL('.tmp/warm-start', import.meta.url))
  await build({
    entryPoints: {
      session: fileURLToPath(new URL('../src/bundlers/session.ts', import.meta.url)),
      providers: fileURLToPath(new URL('../src/providers/index.ts', import.meta.url)),
    },
    outdir: out,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
  })
  writeFileSync(
    join(workspace.root, 'start.mjs'),
    `import { createRequire } from 'node:module'
     import { Session } from ${JSON.stringify(join(out, 'session.mjs'))}
     import { aws, vault } from ${JSON.stringify(join(out, 'providers.mjs'))}
     const session = new Session({
       providers: { vault: vault({ url: ${JSON.stringify(url)}, mount: ${JSON.stringify(mount)} }), aws: aws({ auth: { method: 'default' } }) },
       secrets: { ONE: 'vault:app#one' }, types: false,
     })
     const said = []
     const logger = { info: (text) => said.push(text), warn: (text) => said.push(text), debug() {} }
     await session.prepare({ root: ${JSON.stringify(workspace.root)}, mode: 'production', prefixes: ['VITE_'], logger })
     await session.close()
     const cache = Object.keys(createRequire(import.meta.url).cache)
     console.log(JSON.stringify({
       said,
       vault: cache.some((file) => file.includes('node-vault')),
       aws: cache.some((file) => file.includes('@aws-sdk') || file.includes('@smithy')),
       spawns: process.moduleLoadList.includes('NativeModule child_process'),
       http: process.moduleLoadList.includes('NativeModule http'),
     }))`,
  )
  const start = async () => {
    // Not the synchronous kind: the proxy lives in this process.
    const { stdout: printed } = await promisify(execFile)(
      process.execPath,
      [join(workspace.root, 'start.mjs')],
      {
        env: { ...process.env, VAULT_TOKEN: server.token },
        encoding: 'utf8',
      },
    )
    expect(canariesIn(printed, [value, server.token])).toEqual([])
    return JSON.parse(printed)
  }
  expect(await start()).toMatchObject({
    vault: true,
    said: [expect.stringContaining('1 secret for production from vault')],
  })
  const cold = requests
  expect(cold).toBeGreaterThan(0)
  expect(await start()).toEqual({
    said: [expect.stringMatching(/1 secret for production from vault, cached \d+ seconds? ago/)],
    vault: false,
    aws: false,
    spawns: false,
    http: false,
  })
  expect(requests).toBe(cold)
  proxy.close()
})
