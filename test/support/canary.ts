import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'

/** A random value that stands nowhere else. `prefix` only helps a person who reads a failure. */
export function canary(prefix = 'cnry'): string {
  return `${prefix}_${randomBytes(18).toString('hex')}`
}

/** The forms in which a value that escaped would most likely stand. */
function forms(value: string): Buffer[] {
  const raw = Buffer.from(value)
  return [
    raw,
    Buffer.from(raw.toString('base64').replace(/=+$/, '')),
    Buffer.from(raw.toString('base64url')),
    Buffer.from(raw.toString('hex')),
    Buffer.from(encodeURIComponent(value)),
    Buffer.from(JSON.stringify(value).slice(1, -1)),
  ]
}

/** Whether a text or the bytes hold one of the values, in clear or in a common encoding: the indexes of those that do. */
export function canariesIn(content: string | Uint8Array, values: readonly string[]): number[] {
  const haystack = Buffer.from(content as Uint8Array)
  return values.flatMap((value, index) =>
    forms(value).some((form) => haystack.includes(form)) ? [index] : [],
  )
}

/** Every file below a folder that holds one of the values; links are not followed, as Node 22 does in a recursive listing. */
export function canaryFiles(folder: string, values: readonly string[]): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return canaryFiles(path, values)
    if (!entry.isFile() || statSync(path).size === 0) return []
    return canariesIn(readFileSync(path), values).length > 0 ? [path] : []
  })
}
