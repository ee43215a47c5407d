import { useState } from 'preact/hooks'
import type { DashboardState } from '../../api.ts'
import { setLocal } from '../actions.ts'
import { Question } from './dialog.tsx'

/** Sets a new local secret, or another value of one. What is typed is never shown, and lives in its field only. */
export function SetSecret({ state, name }: { state: DashboardState; name?: string }) {
  const [lines, setLines] = useState(false)
  const [typed, setTyped] = useState('')
  const known = state.secrets.find((secret) => secret.name === typed)

  // A field of one line would drop the line breaks of a key.
  const paste = (event: ClipboardEvent): void => {
    const text = event.clipboardData?.getData('text') ?? ''
    if (!text.trimEnd().includes('\n')) return
    event.preventDefault()
    setLines(true)
    queueMicrotask(() => {
      const area = document.querySelector<HTMLTextAreaElement>('dialog textarea')
      area?.focus()
      area?.setRangeText(text, 0, 0, 'end')
    })
  }
  const send = (form: HTMLFormElement) => {
    const data = new FormData(form)
    return setLocal(
      name ?? String(data.get('name')).trim(),
      String(data.get('value')).replaceAll('\r\n', '\n'),
    )
  }
  const field = {
    id: 'value',
    name: 'value',
    required: true,
    autocomplete: 'new-password',
    spellcheck: false,
    'aria-describedby': 'value-note',
  } as const

  return (
    <Question title={name === undefined ? 'Add a local secret' : `Edit ${name}`} verb="Save" send={send}>
      {name === undefined && (
        <label class="field">
          Name
          <input
            name="name"
            required
            placeholder="API_TOKEN"
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            onInput={({ currentTarget }) => setTyped(currentTarget.value.trim())}
          />
        </label>
      )}
      {known && (
        <p class="note">
          {known.isLocal
            ? 'There is one of this name; its value is replaced.'
            : `${known.name} comes from ${known.reference ?? 'elsewhere'} and goes on doing so.`}
        </p>
      )}
      <div class="field">
        <label for="value">{name === undefined ? 'Value' : 'New value'}</label>
        {lines ? (
          <textarea class="hidden-text" rows={5} {...field} />
        ) : (
          <input type="password" onPaste={paste} {...field} />
        )}
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={lines}
          onChange={({ currentTarget }) => setLines(currentTarget.checked)}
        />
        Several lines
      </label>
      <p id="value-note" class="muted">
        Encrypted in the project’s local vault. It is not shown while you type.
      </p>
    </Question>
  )
}
