import type { DashboardState } from '../../api.ts'
import { refreshAll, switchProfile } from '../actions.ts'
import { isProblem, refreshed } from '../list.ts'
import { change, type Page, usePage, type View, viewsOf } from '../store.ts'
import { useTheme } from '../theme.ts'
import { Action } from './parts.tsx'

export function Header({ page }: { page: Page }) {
  const { state } = page
  const [theme, nextTheme] = useTheme()
  return (
    <header class="top">
      <div class="bar">
        <div class="title">
          <h1>{state?.project ?? 'Secrets'}</h1>
          {state && <span class="muted">{state.environment}</span>}
          <Live page={page} />
        </div>
        <div class="tools">
          <button
            type="button"
            class="button quiet"
            aria-label={`Colours: ${theme}`}
            title="Colours of this page: the system’s, light, dark"
            onClick={nextTheme}
          >
            ◐ {theme}
          </button>
          <Action
            tone="quiet"
            aria-label="Keys"
            title="Keys (?)"
            onPress={() => change({ asking: { kind: 'keys' } })}
          >
            ?
          </Action>
        </div>
        {state && (state.profiles.length > 0 || state.profile !== undefined) && <Profile state={state} />}
        {state && (
          <Action busy="refresh" tone="main" title="Ask every provider anew (Shift+R)" onPress={refreshAll}>
            Refresh all
          </Action>
        )}
      </div>
      {state && <Views state={state} view={page.view} />}
      {state && page.refreshing !== undefined && <Progress state={state} since={page.refreshing} />}
    </header>
  )
}

function Live({ page: { connection } }: { page: Page }) {
  const text = { live: 'live', connecting: 'connecting', gone: 'not connected', refused: 'not connected' }
  return <span class={`live ${connection.is === 'live' ? 'on' : connection.is}`}>{text[connection.is]}</span>
}

function Profile({ state: { profile, profiles } }: { state: DashboardState }) {
  const busy = usePage().busy.has('profile')
  const names = profile === undefined || profiles.includes(profile) ? profiles : [...profiles, profile]
  return (
    <label class="field inline">
      Profile
      <select
        value={profile ?? ''}
        aria-busy={busy}
        onChange={({ currentTarget }) => void switchProfile(currentTarget.value || null)}
      >
        <option value="">none</option>
        {names.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

function Views({ state, view }: { state: DashboardState; view: View }) {
  const failing = state.providers.some(({ health }) => health === 'failing')
  const problems = state.secrets.some(isProblem)
  const labels: Record<View, [label: string, amount: number, attention?: boolean]> = {
    secrets: ['Secrets', state.secrets.length, problems],
    providers: ['Providers', state.providers.length, failing],
    browser: ['Browser', state.secrets.filter(({ consumer }) => consumer === 'client').length],
    environments: ['Environments', state.links.length],
    log: ['Log', state.rotations.length],
  }
  return (
    <nav aria-label="Views">
      {viewsOf(state).map((id) => {
        const [label, amount, attention] = labels[id]
        return (
          <button
            key={id}
            type="button"
            aria-current={view === id ? 'page' : undefined}
            onClick={() => change({ view: id })}
          >
            {label} <span class="count">{amount}</span>
            {attention && (
              <span class="dot">
                <span class="unseen">, needs a look</span>
              </span>
            )}
          </button>
        )
      })}
    </nav>
  )
}

/** Without events in between nobody knows how far it is: then the bar has no value. */
function Progress({ state, since }: { state: DashboardState; since: number }) {
  const done = refreshed(state, since)
  const value = done === 0 ? {} : { value: done, max: state.secrets.length }
  return <progress class="progress" aria-label="Refreshing every secret" {...value} />
}
