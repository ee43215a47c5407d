import { describe } from 'vitest'
import { badInputCases } from './conformance/bad-input.ts'
import { clientCases } from './conformance/client.ts'
import { guardCases } from './conformance/guard.ts'
import { operationCases } from './conformance/operation.ts'
import { scanCases } from './conformance/scan.ts'
import { manifestCases, sealedCases } from './conformance/sealed.ts'
import { serverCases } from './conformance/server.ts'
import type { BundlerHarness, Specifics } from './harness.ts'
import { worldFor } from './world.ts'

/**
 * What every bundler must do alike, with real builds whose output runs. After each case the whole
 * workspace and everything printed are searched for the values.
 */
export function conformance(harness: BundlerHarness, specifics: Specifics = {}): void {
  const known = {
    json: true,
    css: true,
    typescript: true,
    cjs: true,
    worker: false,
    cache: false,
    sealed: false,
    manifest: false,
    dropsUnused: true,
    sourcesContent: true,
    inProcess: true,
    require: true,
    minifiedMaps: true,
    brokenMaps: true,
    patternAssignments: true,
    ...specifics,
  }
  describe(harness.name, () => {
    const world = worldFor(harness)
    describe('client', () => clientCases(world, known))
    describe('server', () => serverCases(world, known))
    describe('guard', () => guardCases(world, known))
    describe('scan', () => scanCases(world, known))
    if (known.sealed) describe('sealed', () => sealedCases(world, known))
    if (known.manifest) describe('manifest', () => manifestCases(world, known))
    describe('bad input', () => badInputCases(world, known))
    describe('operation', () => operationCases(world, known))
  })
}
