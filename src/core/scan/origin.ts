import { posix } from 'node:path'
import type { TraceMap } from '@jridgewell/trace-mapping'
import type { Finding, Origin, Scanner } from './types.ts'

/** Gives an emitted file by the name it has in findings; `undefined` when there is none. Never throws. */
export type ReadAsset = (asset: string) => Promise<Uint8Array | undefined>

/** More findings than anybody reads need no origin. */
const MOST_ASSETS = 100

/** A map that the code names: the last comment counts, as in browsers. */
const COMMENT = /[#@]\s*sourceMappingURL=(\S+?)(?:\s*\*\/)?\s*$/gm

/**
 * Adds to findings where their place was written, through the maps of the emitted files: inline, named by
 * the file, or beside it. What has no map, or a broken one, stays as it is.
 * @param options.shown what stands before an asset's name in the paths that people see; maps are relative to it.
 */
export async function traceFindings(
  findings: readonly Finding[],
  scanner: Pick<Scanner, 'redact'>,
  options: { read: ReadAsset; shown?: string | undefined },
): Promise<Finding[]> {
  const traceable = (finding: Finding): boolean =>
    finding.encoding !== 'file name' && /\.(?:[cm]?js|css)$/.test(finding.asset)
  const assets = [...new Set(findings.filter(traceable).map(({ asset }) => asset))].slice(0, MOST_ASSETS)
  const maps = new Map<string, Trace>()
  for (const asset of assets) {
    const trace = await traceOf(asset, options.read, options.shown ?? '')
    if (trace) maps.set(asset, trace)
  }
  return findings.map((finding) => {
    const origin = traceable(finding) ? maps.get(finding.asset)?.(finding) : undefined
    return origin ? { ...finding, origin: { ...origin, source: scanner.redact(origin.source) } } : finding
  })
}

type Trace = (place: { readonly line: number; readonly column: number }) => Origin | undefined

async function traceOf(asset: string, read: ReadAsset, shown: string): Promise<Trace | undefined> {
  try {
    const found = await mapOf(asset, read)
    if (!found) return undefined
    const { FlattenMap, originalPositionFor } = await import('@jridgewell/trace-mapping')
    // Maps in sections (webpack's module federation, some concatenators) become one.
    const map: TraceMap = FlattenMap(
      JSON.parse(Buffer.from(found.bytes).toString('utf8')) as ConstructorParameters<typeof TraceMap>[0],
      posix.join(shown, found.path),
    )
    return ({ line, column }) => {
      try {
        const place = originalPositionFor(map, { line, column: column - 1 })
        // Not what the types say: a mapping may point at a source that the map does not have.
        if (typeof place.source !== 'string') return undefined
        return { source: place.source, line: place.line, column: place.column + 1 }
      } catch {
        return undefined
      }
    }
  } catch {
    // A broken map takes nothing from the finding.
    return undefined
  }
}

/** A file's map, and the path that its sources are relative to. */
async function mapOf(
  asset: string,
  read: ReadAsset,
): Promise<{ bytes: Uint8Array; path: string } | undefined> {
  const code = await read(asset)
  if (!code) return undefined
  // An inline map may be larger than the code; its comment stands on the last line that is not empty.
  const text = Buffer.from(code.buffer, code.byteOffset, code.length).toString('latin1')
  const url = [...text.matchAll(COMMENT)].at(-1)?.[1]
  if (url?.startsWith('data:')) {
    const comma = url.indexOf(',')
    const data = url.slice(comma + 1)
    const isBase64 = url.slice(0, comma).endsWith(';base64')
    return {
      bytes: isBase64 ? Buffer.from(data, 'base64') : Buffer.from(decodeURIComponent(data)),
      path: asset,
    }
  }
  const folder = posix.dirname(asset)
  const named = url !== undefined && !/^[a-z][a-z\d+.-]*:|^\//i.test(url) ? decodeURI(url) : undefined
  // A hidden map is not named by the code.
  for (const path of new Set([named && posix.join(folder, named.replace(/[?#].*$/, '')), `${asset}.map`])) {
    if (!path || path.startsWith('..')) continue
    const bytes = await read(path)
    if (bytes) return { bytes, path }
  }
  return undefined
}
