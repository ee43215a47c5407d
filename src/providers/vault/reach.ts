import type { Engines } from './engines.ts'
import type { Leases } from './leases.ts'
import type { Session } from './session.ts'

/** What the work on one call goes through. */
export interface Reach {
  readonly session: Session
  readonly engines: Engines
  readonly leases: Leases
}
