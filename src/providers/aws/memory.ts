import type { ReadRequest } from '../../core/types.ts'

/** What a provider remembers between calls: permissions that are missing, stamps, how much AWS bears. */
export interface Memory {
  /** Whether BatchGetSecretValue turned out to be not allowed, or not known to the endpoint. */
  batchDenied: boolean
  /** The same for ListSecrets. */
  listDenied: boolean
  /** Paths whose DescribeSecret is not allowed. */
  readonly describeDenied: Set<string>
  /** The last version seen of each request, by `keyOf`. */
  readonly stamps: Map<string, string | undefined>
  /** How many requests at once, after AWS has asked to slow down; `undefined`: as many as the caller allows. */
  width: number | undefined
}

export function createMemory(): Memory {
  return {
    batchDenied: false,
    listDenied: false,
    describeDenied: new Set(),
    stamps: new Map(),
    width: undefined,
  }
}

export function keyOf({ path, options }: ReadRequest): string {
  return JSON.stringify([path, options.stage, options.version])
}

/** How many requests may be under way: what the caller allows, or what AWS has borne lately. */
export function widthOf({ width }: Memory, allowed: number): number {
  return Math.min(width ?? allowed, allowed)
}

/** Half as many after a throttled read, half as many again after one that was not. */
export function adapt(memory: Memory, allowed: number, throttled: boolean): void {
  const width = widthOf(memory, allowed)
  if (throttled) memory.width = Math.max(1, Math.floor(width / 2))
  else if (memory.width !== undefined) {
    const wider = width + Math.ceil(width / 2)
    memory.width = wider >= allowed ? undefined : wider
  }
}
