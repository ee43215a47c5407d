import { useState } from 'preact/hooks'
import type { DashboardState, SecretView } from '../../api.ts'
import { detailsTitle, focus, rowId } from '../keys.ts'
import { visible } from '../list.ts'
import { change, everything, type Page } from '../store.ts'
import { Details } from './details.tsx'
import { Filters } from './filters.tsx'
import { Action, Age, Badge, Blank, count, Modules, Seen, States } from './parts.tsx'

export function Secrets({ page, state }: { page: Page; state: DashboardState }) {
  if (state.secrets.length === 0) return <NoSecrets state={state} />
  const shown = visible(state.secrets, page.filter)
  const selected = state.secrets.find(({ name }) => name === page.selected)
  return (
    <div class={selected ? 'secrets open' : 'secrets'}>
      <section class="list" aria-label="Secrets">
        <Filters state={state} filter={page.filter} shown={shown.length} />
        {shown.length === 0 ? (
          <Blank title="Nothing matches">
            <Action onPress={() => change({ filter: everything })}>Show all {state.secrets.length}</Action>
          </Blank>
        ) : (
          <table>
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Value</th>
                <th scope="col">From</th>
                <th scope="col">Version</th>
                <th scope="col">Age</th>
                <th scope="col">Seen by</th>
                <th scope="col">Used in</th>
              </tr>
            </thead>
            <tbody>
              {shown.map((secret) => (
                <Row key={secret.name} secret={secret} selected={secret === selected} />
              ))}
            </tbody>
          </table>
        )}
      </section>
      {selected && <Details key={selected.name} secret={selected} />}
    </div>
  )
}

function Row({ secret, selected }: { secret: SecretView; selected: boolean }) {
  const [open, setOpen] = useState(false)
  const { name, usedIn } = secret
  // A press of Enter goes on into the details; a click leaves the keyboard in the list.
  const select = ({ detail }: MouseEvent): void => {
    change({ selected: name })
    if (detail === 0) focus(detailsTitle)
  }
  return (
    <>
      <tr class={selected ? 'row selected' : 'row'}>
        <th scope="row">
          <button
            type="button"
            id={rowId(name)}
            class="name"
            aria-expanded={selected}
            aria-controls={selected ? 'details' : undefined}
            onClick={select}
          >
            {name}
          </button>
          <States secret={secret} />
          {secret.description !== undefined && <p class="about">{secret.description}</p>}
        </th>
        <td class="value">{secret.masked ?? <span class="muted">none</span>}</td>
        <td class="from">
          <From secret={secret} />
        </td>
        <td class="version" title={secret.version}>
          {secret.version ?? '–'}
        </td>
        <td class="age">{secret.fetchedAt === undefined ? '–' : <Age at={secret.fetchedAt} />}</td>
        <td class="seen">
          <Seen consumer={secret.consumer} />
        </td>
        <td class="used">
          {usedIn.length === 0 ? (
            <span class="muted">not yet</span>
          ) : (
            <button type="button" class="link" aria-expanded={open} onClick={() => setOpen(!open)}>
              {count(usedIn.length, 'module')}
              <span class="unseen"> read {name}</span>
            </button>
          )}
        </td>
      </tr>
      {open && usedIn.length > 0 && (
        <tr class="more">
          <td colSpan={7}>
            <Modules files={usedIn} />
          </td>
        </tr>
      )}
    </>
  )
}

/** The reference with its provider in front, as it stands in the configuration, or what takes its place. */
function From({ secret: { reference, provider = '', source } }: { secret: SecretView }) {
  if (reference === undefined) return <>{source ?? '–'}</>
  return (
    <>
      {source === 'process.env' && <Badge tone="stale">process.env</Badge>}
      <code title={reference}>
        {reference.startsWith(`${provider}:`) ? (
          <>
            <b>{provider}</b>
            {reference.slice(provider.length)}
          </>
        ) : (
          reference
        )}
      </code>
    </>
  )
}

function NoSecrets({ state }: { state: DashboardState }) {
  if (state.problem)
    return (
      <Blank title="No secrets to show">
        <p>The list comes when the problem above is solved; nothing has to be started again.</p>
      </Blank>
    )
  return (
    <Blank title="No secrets yet">
      {state.canAdd ? (
        <>
          <p>Put the first one into the encrypted local vault, here or in the terminal:</p>
          <pre>npx secrets set API_TOKEN</pre>
          <Action tone="main" onPress={() => change({ asking: { kind: 'add' } })}>
            Add a local secret
          </Action>
        </>
      ) : (
        <>
          <p>Name the first one in the configuration, with where it comes from:</p>
          <pre>{"secrets: { API_TOKEN: 'local:API_TOKEN' }"}</pre>
          <p>Then store its value:</p>
          <pre>npx secrets set API_TOKEN</pre>
        </>
      )}
    </Blank>
  )
}
