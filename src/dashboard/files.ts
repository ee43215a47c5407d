import { readFile } from 'node:fs/promises'
import { SecretsError } from '../core/errors.ts'

/** What the page is made of, by the last part of its address; '' is the page itself. */
export type PageFiles = ReadonlyMap<string, { readonly type: string; readonly content: Buffer }>

const FILES = [
  ['', 'index.html', 'text/html; charset=utf-8'],
  ['app.js', 'app.js', 'text/javascript; charset=utf-8'],
  ['app.css', 'app.css', 'text/css; charset=utf-8'],
] as const

/** Where the build puts it: beside the folder of this file, or from the sources into `dist`. */
const folder = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/dashboard/' : '../dashboard/',
  import.meta.url,
)

/** @throws SecretsError FILE_UNREADABLE when it was not built */
export async function pageFiles(from: URL = folder): Promise<PageFiles> {
  try {
    const files = FILES.map(async ([path, name, type]) => {
      return [path, { type, content: await readFile(new URL(name, from)) }] as const
    })
    return new Map(await Promise.all(files))
  } catch {
    throw new SecretsError('FILE_UNREADABLE', "The dashboard's page is not there.", {
      hint: 'Install the package again; in its sources, run `npm run build`.',
    })
  }
}
