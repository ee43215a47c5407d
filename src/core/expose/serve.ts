import type { Consumer } from '../types.ts'
import type { Exposure } from './exposure.ts'
import { CLIENT_ID, type RUNTIME_ID, SERVER_ID, type VirtualId } from './ids.ts'
import { clientModule, deniedModule, sealedModule, serverModule } from './modules.ts'
import { sealMarks } from './seal-marks.ts'

/** What one graph may have, as module texts. Made per consumer; the client's has no way to the server's. */
export interface Serve {
  /** The text of a virtual module; `undefined` where this graph may not have it. */
  moduleFor(id: Exclude<VirtualId, typeof RUNTIME_ID>): string | undefined
  /** The virtual module that `import.meta.env.NAME` reads from. */
  readonly envModule: typeof CLIENT_ID | typeof SERVER_ID
  /** Whether code of this graph may read the name. */
  allows(name: string): boolean
  /** Stands in for a denied module until the build is failed. */
  denied(): string
}

/** @param sealed whether the server's values travel in its outputs, sealed */
export function serveFor(consumer: Consumer, exposure: Exposure, sealed = false): Serve {
  const denied = (): string => deniedModule(exposure.names)
  // Made when a module asks: most builds ask for one of them, and none for the rest.
  let text: string | undefined
  const client = (): string => (text ??= clientModule(exposure.client.values))
  if (consumer === 'server') {
    const { manifest } = exposure.server
    let whole: string | undefined
    const server = (): string =>
      (whole ??= sealed ? sealedModule(manifest, sealMarks(manifest.scope)) : serverModule(manifest))
    const names = new Set(exposure.names)
    return {
      moduleFor: (id) => (id === CLIENT_ID ? client() : server()),
      envModule: SERVER_ID,
      allows: (name) => names.has(name),
      denied,
    }
  }
  const allowed = new Set(exposure.client.values.keys())
  return {
    moduleFor: (id) => (id === CLIENT_ID ? client() : undefined),
    envModule: CLIENT_ID,
    allows: (name) => allowed.has(name),
    denied,
  }
}
