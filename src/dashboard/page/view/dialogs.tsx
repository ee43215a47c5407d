import { useState } from 'preact/hooks'
import type { DashboardState } from '../../api.ts'
import { link, moveToLocal, removeLocal, unlink } from '../actions.ts'
import type { Asking } from '../store.ts'
import { Dialog, Question } from './dialog.tsx'
import { LINK_RULE } from './environments.tsx'
import { SetSecret } from './set.tsx'

export function Dialogs({
  asking,
  state,
}: {
  asking: Asking | undefined
  state: DashboardState | undefined
}) {
  if (asking?.kind === 'keys') return <Keys />
  if (!asking || !state) return null
  if (asking.kind === 'add') return <SetSecret state={state} />
  if (asking.kind === 'edit') return <SetSecret state={state} name={asking.name} />
  if (asking.kind === 'link') return <Link environment={asking.environment} />
  if (asking.kind === 'unlink')
    return (
      <Question
        title={`Unlink ${asking.environment}?`}
        verb="Unlink"
        danger
        send={() => unlink(asking.environment)}
      >
        <p>
          Its values are cleared from this machine’s disk. What stands in{' '}
          <code>{state.links.find(({ environment }) => environment === asking.environment)?.reference}</code>{' '}
          stays.
        </p>
      </Question>
    )
  if (asking.kind === 'move') return <Move name={asking.name} state={state} />
  return (
    <Question title={`Remove ${asking.name}?`} verb="Remove" danger send={() => removeLocal(asking.name)}>
      <p>Its value is deleted from the local vault and cannot be brought back.</p>
    </Question>
  )
}

function Move({ name, state }: { name: string; state: DashboardState }) {
  const [replace, setReplace] = useState(false)
  const reference = state.secrets.find((secret) => secret.name === name)?.reference
  const send = async () => {
    const problem = await moveToLocal(name, replace)
    if (problem?.code === 'CONFLICT') setReplace(true)
    return problem
  }
  return (
    <Question
      title={`Move ${name} to local?`}
      verb={replace ? 'Replace the local value' : 'Move to local'}
      danger={replace}
      send={send}
    >
      <p>
        The local vault takes its last value, to be changed here from then on. It no longer follows{' '}
        {reference === undefined ? 'its provider' : <code>{reference}</code>}; nothing is changed there.
      </p>
    </Question>
  )
}

function Link({ environment }: { environment: string }) {
  const [conflict, setConflict] = useState(false)
  const send = async (form: HTMLFormElement) => {
    const data = new FormData(form)
    const [prefer] = PREFERENCES.find(([one]) => one === data.get('prefer')) ?? []
    const problem = await link({
      environment,
      reference: String(data.get('reference')).trim(),
      ...(prefer && { prefer }),
    })
    if (problem?.code === 'CONFLICT') setConflict(true)
    return problem
  }
  return (
    <Question title={`Link ${environment}`} verb="Link" send={send}>
      <p>{LINK_RULE}</p>
      <label class="field">
        Document of a provider
        <input
          name="reference"
          required
          placeholder={`vault:myapp/${environment}`}
          autocomplete="off"
          spellcheck={false}
        />
      </label>
      {conflict && (
        <fieldset class="choice">
          <legend>Where both have a value</legend>
          {PREFERENCES.map(([prefer, label]) => (
            <label key={prefer} class="check">
              <input type="radio" name="prefer" value={prefer} required />
              {label}
            </label>
          ))}
        </fieldset>
      )}
    </Question>
  )
}

const PREFERENCES = [
  ['local', 'Push this machine’s over the document’s'],
  ['remote', 'Keep the document’s'],
] as const

const KEYS: [key: string, does: string][] = [
  ['/', 'Search'],
  ['j k ↓ ↑', 'Next and previous secret'],
  ['Enter', 'Into the details'],
  ['r', 'Refresh the selected secret, or all'],
  ['Shift R', 'Refresh all'],
  ['1 2 3 …', 'The views at the top'],
  ['Esc', 'Close, or clear the search'],
  ['?', 'These keys'],
]

function Keys() {
  return (
    <Dialog title="Keys">
      <dl class="keys">
        {KEYS.map(([key, does]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <form method="dialog" class="actions end">
        <button type="submit" class="button">
          Close
        </button>
      </form>
    </Dialog>
  )
}
