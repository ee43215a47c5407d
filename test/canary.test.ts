import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, beforeAll, describe, expect, inject, it, vi } from 'vitest'
import type { SecretsConfig } from '../src/core/types.ts'
import { aws, local, vault } from '../src/providers/index.ts'
import { Bao } from './support/bao.ts'
import { canariesIn, canary, canaryFiles } from './support/canary.ts'
import { buildApp, failure, makeProject, type Project } from './support/project.ts'

// Client and server, in every mode, from Vault, AWS and the local vault at once; then every file that was
// written and every word that was said is searched for every value.
const values = {
  VAULT_SERVER: canary('vs'),
  VAULT_CLIENT: canary('vc'),
  AWS_SERVER: canary('as'),
  AWS_CLIENT: canary('ac'),
  LOCAL_SERVER: `${canary('ls')}"quoted\\and\nmulti-line ${canary('ls')}`,
  LOCAL_CLIENT: canary('lc'),
  JSON_PASSWORD: canary('jp'),
  JSON_USER: canary('ju'),
}
const client = ['VAULT_CLIENT', 'AWS_CLIENT', 'LOCAL_CLIENT', 'JSON_USER'] as const
const serverValues = Object.entries(values).flatMap(([name, value]) =>
  (client as readonly string[]).includes(name) ? [] : value.split('\n'),
)
const clientValues = client.map((name) => values[name])

let project: Project
let config: SecretsConfig
const said: string[] = []

const files = {
  'tsconfig.json': '{}',
  'index.html':
    '<!doctype html><title>%VAULT_CLIENT%</title><script type="module" src="/src/main.ts"></script>',
  'src/main.ts': `
    import { AWS_CLIENT, db } from 'virtual:secrets/client'
    console.log(AWS_CLIENT, db.user, import.meta.env.LOCAL_CLIENT, import.meta.env.VAULT_CLIENT)
    import('./lazy.ts')
    new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' })`,
  'src/lazy.ts': `export const lazy = import.meta.env['AWS_CLIENT']; console.log(lazy)`,
  'src/worker.ts': 'console.log(import.meta.env.LOCAL_CLIENT)',
  'src/server.ts': `
    import * as all from 'virtual:secrets/server'
    export const read = () => [all.VAULT_SERVER, all.AWS_SERVER, all.LOCAL_SERVER, all.db.password, import.meta.env.VAULT_CLIENT]`,
}

beforeAll(async () => {
  const { bao: server, moto } = inject('servers')
  const mount = `kv-${canary('m').slice(-8)}`
  const bao = new Bao({ url: server.url, token: server.token })
  await bao.mount(mount, 2)
  await bao.write2(mount, 'app', { server: values.VAULT_SERVER, client: values.VAULT_CLIENT })
  const credentials = { accessKeyId: canary('ak'), secretAccessKey: canary('sk') }
  serverValues.push(server.token, credentials.secretAccessKey)
  const name = `app-${canary('n').slice(-8)}`
  const manager = new SecretsManagerClient({
    region: 'eu-west-1',
    endpoint: moto.url,
    credentials: { ...credentials },
  })
  const SecretString = JSON.stringify({
    server: values.AWS_SERVER,
    client: values.AWS_CLIENT,
    db: { user: values.JSON_USER, password: values.JSON_PASSWORD },
  })
  await manager.send(new CreateSecretCommand({ Name: name, SecretString }))
  manager.destroy()
  project = await makeProject(files, { LOCAL_SERVER: values.LOCAL_SERVER, LOCAL_CLIENT: values.LOCAL_CLIENT })
  for (const stream of [process.stdout, process.stderr]) {
    vi.spyOn(stream, 'write').mockImplementation((chunk) => said.push(String(chunk)) > 0)
  }
  config = {
    providers: {
      vault: vault({ url: server.url, mount, auth: { method: 'token', token: server.token } }),
      aws: aws({ region: 'eu-west-1', endpoint: moto.url, auth: { method: 'keys', ...credentials } }),
      local: local(),
    },
    secrets: {
      VAULT_SERVER: 'vault:app#server',
      VAULT_CLIENT: 'vault:app#client',
      AWS_SERVER: `aws:${name}#server`,
      AWS_CLIENT: `aws:${name}#client`,
      LOCAL_SERVER: 'local:LOCAL_SERVER',
      LOCAL_CLIENT: 'local:LOCAL_CLIENT',
      db: { from: `aws:${name}#db`, mode: 'json' },
    },
    client: ['VAULT_CLIENT', 'AWS_CLIENT', 'LOCAL_CLIENT', 'db.user'],
  }
})

afterAll(() => {
  vi.restoreAllMocks()
  vi.unstubAllEnvs()
  project.remove()
})

describe('client and server in every mode', () => {
  const modes = [false, true].flatMap((minify) =>
    [false, true, 'inline', 'hidden'].flatMap((sourcemap) =>
      (['es', 'cjs'] as const).map((format) => ({
        minify,
        sourcemap: sourcemap as boolean | 'inline' | 'hidden',
        format,
      })),
    ),
  )
  it.each(modes)(
    'minify $minify, source maps $sourcemap, server as $format',
    async ({ minify, sourcemap, format }) => {
      const folder = `dist/${format}-${minify}-${sourcemap}`
      const extension = format === 'es' ? 'mjs' : 'cjs'
      await buildApp(project, config, {
        build: { outDir: `${folder}/client`, minify, sourcemap },
        environments: {
          ssr: {
            build: {
              outDir: `${folder}/server`,
              ssr: true,
              minify,
              sourcemap,
              rolldownOptions: {
                input: 'src/server.ts',
                output: { format, entryFileNames: `[name].${extension}` },
              },
            },
          },
        },
      })
      const environment = {
        ...values,
        db: JSON.stringify({ user: values.JSON_USER, password: values.JSON_PASSWORD }),
      }
      const server = join(project.root, folder, `server/server.${extension}`)
      const printed = execFileSync(
        process.execPath,
        [
          '-e',
          `import(process.argv[1]).then(({ read, default: all }) => console.log(JSON.stringify((read ?? all.read)())))`,
          server,
        ],
        { env: { ...process.env, ...environment }, encoding: 'utf8' },
      )
      expect(JSON.parse(printed)).toEqual([
        values.VAULT_SERVER,
        values.AWS_SERVER,
        values.LOCAL_SERVER,
        values.JSON_PASSWORD,
        values.VAULT_CLIENT,
      ])
    },
  )

  it('and builds that fail', async () => {
    const hard = `console.log(${JSON.stringify(values.LOCAL_SERVER)}, '${values.AWS_SERVER}')`
    for (const main of [
      hard,
      `import 'virtual:secrets/server'\n// ${values.VAULT_SERVER}`,
      `console.log(import.meta.env.VAULT_SERVER) // ${values.VAULT_SERVER}`,
    ]) {
      project.write({ 'src/main.ts': main })
      said.push(await failure(buildApp(project, config, { build: { outDir: 'dist/failed' } })))
    }
    project.write({ 'src/main.ts': files['src/main.ts'] })
    expect(said.join('\n')).toContain('LOCAL_SERVER')
  })

  it('leave no server value anywhere, and client values only in what browsers load', () => {
    expect(canariesIn([...said, ...project.output].join('\n'), [...serverValues, ...clientValues])).toEqual(
      [],
    )
    expect(canaryFiles(project.folder, serverValues)).toEqual([])
    const holding = canaryFiles(project.folder, clientValues).map((file) => relative(project.root, file))
    expect(holding.length).toBeGreaterThan(modes.length)
    expect(holding.filter((file) => !file.split(sep).includes('client'))).toEqual([])
    expect(readFileSync(join(project.root, 'src/secrets-env.d.ts'), 'utf8')).toContain('VAULT_SERVER')
  })
})
