import type { DashboardState } from '../../api.ts'
import { change } from '../store.ts'
import { Action, Badge } from './parts.tsx'

export const LINK_RULE =
  'Linking first pushes what the environment already has, and only then links. If the push fails, nothing changes.'

export function Environments({ state: { links, environment: current } }: { state: DashboardState }) {
  return (
    <div class="narrow">
      <p class="muted">
        A linked environment takes its values from one document of a provider. {LINK_RULE} Unlinking clears
        its values from this machine’s disk.
      </p>
      <ul class="plain">
        {links.map(({ environment, reference }) => (
          <li key={environment} class="card line">
            <div>
              <h2>
                {environment} {environment === current && <Badge tone="good">in use</Badge>}
              </h2>
              <p class="muted">{reference === undefined ? 'not linked' : <code>{reference}</code>}</p>
            </div>
            {reference === undefined ? (
              <Action
                aria-label={`Link ${environment}`}
                onPress={() => change({ asking: { kind: 'link', environment } })}
              >
                Link…
              </Action>
            ) : (
              <Action
                tone="danger"
                aria-label={`Unlink ${environment}`}
                onPress={() => change({ asking: { kind: 'unlink', environment } })}
              >
                Unlink…
              </Action>
            )}
          </li>
        ))}
      </ul>
    </div>
  )
}
