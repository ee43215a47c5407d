import type { CheckView, DashboardState, ProviderView } from '../../api.ts'
import { testProvider } from '../actions.ts'
import { change, everything } from '../store.ts'
import { Action, Age, Badge, count, ProblemText } from './parts.tsx'

const HEALTH = {
  ok: ['good', 'answers'],
  failing: ['error', 'failing'],
  unknown: ['', 'not asked yet'],
} as const

export function Providers({ state }: { state: DashboardState }) {
  return (
    <div class="cards">
      {state.providers.map((provider) => (
        <Provider key={provider.name} provider={provider} />
      ))}
    </div>
  )
}

function Provider({ provider }: { provider: ProviderView }) {
  const { name, type, location, checkedAt, error, checks, secrets } = provider
  const [tone, health] = HEALTH[provider.health]
  const title = `provider-${name}`
  return (
    <article class="card" aria-labelledby={title}>
      <div class="head">
        <h2 id={title}>{name}</h2>
        <Badge tone={tone}>{health}</Badge>
      </div>
      <p class="muted">
        {type} · <code>{location}</code>
      </p>
      <p class="muted">
        {secrets === 0 ? (
          'No secret comes from it'
        ) : (
          <button
            type="button"
            class="link"
            onClick={() => change({ view: 'secrets', filter: { ...everything, provider: name } })}
          >
            {count(secrets, 'secret')}
          </button>
        )}
        {checkedAt !== undefined && (
          <>
            {' · asked '}
            <Age at={checkedAt} ago />
          </>
        )}
      </p>
      {error && <ProblemText problem={error} />}
      <div class="actions">
        <Action
          busy={`test ${name}`}
          aria-label={`Test connection of ${name}`}
          onPress={() => testProvider(name)}
        >
          Test connection
        </Action>
      </div>
      {checks && <Checks checks={checks} />}
    </article>
  )
}

function Checks({ checks }: { checks: readonly CheckView[] }) {
  return (
    <ul class="checks">
      {checks.map(({ label, ok, detail, hint }) => (
        <li key={label} class={ok ? 'passed' : 'failed'}>
          <span class="mark" aria-hidden="true">
            {ok ? '✓' : '✗'}
          </span>
          <span class="unseen">{ok ? 'Passed: ' : 'Failed: '}</span>
          {label}
          {detail !== undefined && <span class="muted"> {detail}</span>}
          {hint !== undefined && <p class="hint">{hint}</p>}
        </li>
      ))}
    </ul>
  )
}
