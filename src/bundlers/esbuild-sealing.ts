import { resolve } from 'node:path'
import {
  decodedMappings,
  encodedMappings,
  type SourceMapInput,
  type SourceMapSegment,
  TraceMap,
  traceSegment,
} from '@jridgewell/trace-mapping'
import type { Metafile, OutputFile } from 'esbuild'
import { SEAL_MARK } from '../core/expose/seal-marks.ts'
import { INLINE, withText } from './esbuild-outputs.ts'
import type { Session } from './session.ts'

type Seal = NonNullable<ReturnType<Session['seal']>>

/**
 * Seals the outputs of a server, and lets maps and the metafile follow. esbuild has no hook before it takes the
 * hashes of file names, so the marks it has seen were stamped with what now takes their place.
 * @param metafile the sizes in it are corrected
 */
export function sealOutputs(
  session: Session,
  files: readonly OutputFile[],
  metafile: Metafile,
  root: string,
): OutputFile[] {
  const sizes = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [resolve(root, path), output]),
  )
  const maps = new Set(files.map(({ path }) => path).filter((path) => path.endsWith('.map')))
  const sealed = new Map<string, Seal>()
  const resized = (file: OutputFile, text: string): OutputFile => {
    const done = withText(file, text)
    const output = sizes.get(file.path)
    if (output) output.bytes = done.contents.length
    return done
  }
  const codes = files.map((file) => {
    if (maps.has(file.path) || !SEAL_MARK.test(file.text)) return file
    const inline = INLINE.exec(file.text)
    const done = session.seal(file.text, { map: inline !== null || maps.has(`${file.path}.map`) })
    if (!done) return file
    sealed.set(`${file.path}.map`, done)
    const text = done.code.replace(INLINE, (_, head: string, data: string) => {
      const map = moved(Buffer.from(data, 'base64').toString(), done)
      return `${head}${Buffer.from(map).toString('base64')}`
    })
    return resized(file, text)
  })
  return codes.map((file) => {
    const done = sealed.get(file.path)
    return done && maps.has(file.path) ? resized(file, moved(file.text, done)) : file
  })
}

/** esbuild's map of an output whose columns the seal has moved. */
function moved(text: string, { map }: Seal): string {
  const given = JSON.parse(text) as Record<string, unknown>
  const before = new TraceMap(given as unknown as SourceMapInput)
  const mappings = decodedMappings(new TraceMap(map as unknown as SourceMapInput)).map((line) => {
    let last: unknown
    return line.flatMap((segment): SourceMapSegment[] => {
      const found = segment.length > 1 ? traceSegment(before, segment[2]!, segment[3]!) : null
      if (!found || found === last) return []
      last = found
      return [[segment[0], ...found.slice(1)] as unknown as SourceMapSegment]
    })
  })
  const after = new TraceMap({ ...given, mappings } as unknown as SourceMapInput)
  return `${JSON.stringify({ ...given, mappings: encodedMappings(after) }, null, 2)}\n`
}
