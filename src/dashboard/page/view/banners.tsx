import { connect } from '../connection.ts'
import { change, type Page } from '../store.ts'
import { useClock } from '../time.ts'
import { keepToken } from '../token.ts'
import { Action, Blank, ProblemText } from './parts.tsx'

/** What is wrong with all of it: the server, the project, a provider. */
export function Banners({ page: { connection, state, view } }: { page: Page }) {
  const failing =
    state?.providers.filter(
      // What keeps the whole project from its values is told once.
      ({ health, error }) => health === 'failing' && error?.message !== state.problem?.message,
    ) ?? []
  return (
    <div class="banners" role="status">
      {connection.is === 'gone' && (
        <div class="banner">
          <p>
            <strong>The server does not answer.</strong> {state && 'What you see is what was known last.'}{' '}
            <Next at={connection.again} />
          </p>
          <Action onPress={connect}>Try now</Action>
        </div>
      )}
      {connection.is === 'refused' && state && (
        <div class="banner">
          <p>
            <strong>This page’s token is no longer valid,</strong> most likely because the server was started
            again. Open the link that it printed in the terminal. What you see is what was known last.
          </p>
          <TokenForm />
        </div>
      )}
      {state?.problem && (
        <div class="banner">
          <ProblemText problem={state.problem} />
        </div>
      )}
      {view !== 'providers' &&
        failing.map(({ name, error }) => (
          <div key={name} class="banner">
            <p>
              <strong>{name} is failing.</strong> {error?.message} {error?.hint}
            </p>
            <Action onPress={() => change({ view: 'providers' })}>Providers</Action>
          </div>
        ))}
    </div>
  )
}

function Next({ at }: { at: number }) {
  const seconds = Math.ceil((at - useClock()) / 1000)
  // Not for the live region: it would be read out every second.
  return <span aria-hidden="true">{seconds > 0 ? `Next try in ${seconds} s.` : 'Trying…'}</span>
}

export function NeedsToken() {
  return (
    <Blank title="Open this page from the terminal">
      <p>
        It needs the token of the running server, which is in the link that Vite’s dev server prints when it
        starts, and again after <kbd>s</kbd> <kbd>Enter</kbd>. Each start makes a new one, so an old link or a
        bookmark opens nothing.
      </p>
      <p>For bundlers other than Vite, or without a dev server:</p>
      <pre>npx secrets dashboard</pre>
      <TokenForm />
    </Blank>
  )
}

/** For where no link can be opened, as in the dock of Vite DevTools. */
function TokenForm() {
  const take = (event: SubmitEvent): void => {
    event.preventDefault()
    const form = event.currentTarget as HTMLFormElement
    keepToken(String(new FormData(form).get('token')))
    form.reset()
    connect()
  }
  return (
    <form class="token" onSubmit={take} autocomplete="off">
      <label class="field">
        The link from the terminal, or its token
        <input type="password" name="token" required autocomplete="off" />
      </label>
      <button type="submit" class="button">
        Open
      </button>
    </form>
  )
}
