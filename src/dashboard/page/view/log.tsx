import type { DashboardState, RotationView } from '../../api.ts'
import { Age, Blank } from './parts.tsx'

const CAUSES: Record<RotationView['cause'], string> = {
  watch: 'changed at its provider',
  refresh: 'found by a refresh',
  dashboard: 'made here',
  profile: 'profile switched',
}

export function Log({ state: { rotations } }: { state: DashboardState }) {
  if (rotations.length === 0)
    return (
      <Blank title="Nothing has changed">
        <p>Values that change while this server runs are noted here, by name.</p>
      </Blank>
    )
  return (
    <div class="narrow">
      <table class="log">
        <thead>
          <tr>
            <th scope="col" class="when">
              When
            </th>
            <th scope="col">Names</th>
            <th scope="col" class="cause">
              How
            </th>
          </tr>
        </thead>
        <tbody>
          {rotations.map(({ at, names, cause }) => (
            <tr key={`${at} ${names.join()}`}>
              <td>
                <Age at={at} ago />
              </td>
              <td class="names">{names.join(', ')}</td>
              <td class="muted">{CAUSES[cause]}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}
