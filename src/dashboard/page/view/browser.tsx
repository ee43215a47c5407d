import type { DashboardState } from '../../api.ts'
import { change } from '../store.ts'
import { Blank, Modules } from './parts.tsx'

/** What a browser may see, at a glance: the list as configured, with what stands behind each line. */
export function BrowserView({ state }: { state: DashboardState }) {
  const { client, secrets } = state
  const seen = secrets.filter(({ consumer }) => consumer === 'client')
  // A line may stand for fields of a document (`db` for `db.host`), so lines and secrets need not be the same.
  const unmatched = client.filter(
    (line) => !seen.some(({ name }) => name === line || name.startsWith(`${line}.`)),
  )
  if (client.length === 0 && seen.length === 0)
    return (
      <Blank title="Browsers see nothing">
        <p>
          Every secret stays on the server. To let browsers see one, name it in the configuration:{' '}
          <code>client: ['MAPS_KEY']</code>
        </p>
      </Blank>
    )
  return (
    <div class="narrow">
      <p class="muted">
        Only these reach a browser; the other {secrets.length - seen.length} stay on the server. The list is{' '}
        <code>client</code> in the configuration.
      </p>
      <ul class="plain">
        {seen.map(({ name, description, usedIn }) => (
          <li key={name} class="card split">
            <div>
              <button type="button" class="name" onClick={() => change({ view: 'secrets', selected: name })}>
                {name}
              </button>
              {description !== undefined && <p class="about">{description}</p>}
            </div>
            {usedIn.length > 0 ? <Modules files={usedIn} /> : <p class="muted">No module reads it yet.</p>}
          </li>
        ))}
        {unmatched.map((line) => (
          <li key={line} class="card split">
            <code>{line}</code>
            <p class="note">On the list, but no secret has this name.</p>
          </li>
        ))}
      </ul>
    </div>
  )
}
