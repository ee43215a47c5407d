import type { ViteDevServer } from 'vite'
import type { ModuleUse } from '../core/expose/usage.ts'
import { guardDevServer } from './dev-guard.ts'
import type { Session, SessionPlace } from './session.ts'
import { addDashboard } from './vite-dashboard.ts'
import { followChanges, type Rotation } from './vite-rotation.ts'

export interface ViteDevOptions {
  readonly server: ViteDevServer
  readonly session: Session
  readonly place: SessionPlace
  /** What uses names outside of modules: pages and workers, by file. */
  readonly beside: ReadonlyMap<string, readonly ModuleUse[]>
  /** Whether Vite DevTools shows the dashboard in a frame. */
  readonly isDocked: () => boolean
}

/**
 * What a dev server has and a build has not, so that no build loads it: the guard of its responses, changes of
 * values, the dashboard.
 * @returns `undefined` where changes are not followed
 */
export function serveDev(options: ViteDevOptions): Rotation | undefined {
  const { server, session, place, beside } = options
  const guard = guardDevServer(server, session)
  const shownIn = () => [...beside.values()].flat().map(({ names = [] }) => names)
  const rotation = followChanges({ server, session, place, shownIn })
  if (rotation) addDashboard({ ...options, rotation, guard })
  return rotation
}
