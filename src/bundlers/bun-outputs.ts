import { dirname, join, posix, relative, resolve } from 'node:path'
import {
  decodedMappings,
  encodedMappings,
  type SourceMapInput,
  type SourceMapSegment,
  TraceMap,
  traceSegment,
} from '@jridgewell/trace-mapping'
import type { OutputFile } from 'esbuild'
import type { BunArtifact } from './bun-types.ts'
import { INLINE, outputFile, withText } from './esbuild-outputs.ts'

/** A source that reached Bun with its reads replaced. */
export interface RewrittenSource {
  readonly original: string
  /** From what Bun got to what the author wrote. */
  readonly map: unknown
}

/** Artifacts as files of their output folder; their text is taken as UTF-8 where somebody asks for it. */
export function filesOf(artifacts: readonly BunArtifact[], outdir: string): Promise<OutputFile[]> {
  return Promise.all(
    artifacts.map(async (artifact) => {
      const contents = new Uint8Array(await artifact.arrayBuffer())
      return outputFile(join(outdir, artifact.path), contents, artifact.hash ?? '')
    }),
  )
}

/** The artifact again, with what it holds now. @param path where it stands for who gets it */
export function artifactOf(before: BunArtifact, { contents }: OutputFile, path: string): BunArtifact {
  const { hash, kind, loader, type } = before
  const blob = new Blob([contents as Uint8Array<ArrayBuffer>], { type })
  const shown = Object.entries({ path, loader, hash, kind })
  return Object.defineProperties(
    blob,
    Object.fromEntries(shown.map(([key, value]) => [key, { value, enumerable: true }])),
  ) as BunArtifact
}

/**
 * Source maps as they would be without us: Bun maps to the text that it was given, and, because it does not write,
 * it names sources from the current folder.
 * @param moved whether the sources have to be named from where the map is going to be
 */
export function withAuthorsSources(
  file: OutputFile,
  rewritten: ReadonlyMap<string, RewrittenSource>,
  root: string,
  moved: boolean,
): OutputFile {
  const change = (text: string): string => follow(text, dirname(file.path), { rewritten, root, moved })
  if (file.path.endsWith('.map')) return withText(file, change(file.text))
  if (!/\.[cm]?js$|\.css$/.test(file.path) || !INLINE.test(file.text)) return file
  const text = file.text.replace(INLINE, (_, head: string, data: string) => {
    return `${head}${Buffer.from(change(Buffer.from(data, 'base64').toString())).toString('base64')}`
  })
  return withText(file, text)
}

function follow(
  text: string,
  folder: string,
  {
    rewritten,
    root,
    moved,
  }: { rewritten: ReadonlyMap<string, RewrittenSource>; root: string; moved: boolean },
): string {
  const map = JSON.parse(text) as { sources: string[]; sourcesContent?: (string | null)[] }
  const traces = map.sources.map((source) => {
    const known = rewritten.get(resolve(root, source))
    return known && { ...known, trace: new TraceMap(known.map as SourceMapInput) }
  })
  const mappings = decodedMappings(new TraceMap(map as unknown as SourceMapInput)).map((line) =>
    line.flatMap((segment): SourceMapSegment[] => {
      const trace = segment.length === 1 ? undefined : traces[segment[1]]?.trace
      if (!trace) return [segment as SourceMapSegment]
      const found = traceSegment(trace, segment[2]!, segment[3]!)
      if (!found || found.length === 1) return []
      const rest = segment.length === 5 ? [segment[4]] : []
      return [[segment[0], segment[1]!, found[2], found[3], ...rest] as SourceMapSegment]
    }),
  )
  const after = new TraceMap({ ...map, mappings } as unknown as SourceMapInput)
  const sources = map.sources.map((source) => {
    if (!moved || source.includes('virtual:secrets/')) return source
    return posix.normalize(relative(folder, resolve(root, source)).replaceAll('\\', '/'))
  })
  const sourcesContent = map.sourcesContent?.map((content, index) => traces[index]?.original ?? content)
  return `${JSON.stringify({ ...map, sources, sourcesContent, mappings: encodedMappings(after) })}\n`
}
