import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import type { Problem } from '../../api.ts'
import { change } from '../store.ts'
import { ProblemText } from './parts.tsx'

export const closeDialog = (): void => change({ asking: undefined })

/** A modal dialog; Esc and what it is unmounted by close it, and the focus goes back to where it was. */
export function Dialog({ title, children }: { title: string; children: ComponentChildren }) {
  const dialog = useRef<HTMLDialogElement>(null)
  const id = useId()
  useEffect(() => {
    const element = dialog.current!
    element.showModal()
    return () => {
      element.close()
      // What opened it may be gone with what it did.
      queueMicrotask(() => {
        if (document.activeElement === document.body) document.getElementById('main')?.focus()
      })
    }
  }, [])
  // The event comes later than the closing: of a dialog that has gone it must not close the one that came since.
  const closed = (): void => {
    if (dialog.current?.isConnected) closeDialog()
  }
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={closed}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  )
}

/** A dialog that ends in one request; it stays, with the reason, when that fails. */
export function Question({
  title,
  verb,
  danger = false,
  send,
  children,
}: {
  title: string
  verb: string
  danger?: boolean
  send: (form: HTMLFormElement) => Promise<Problem | undefined>
  children: ComponentChildren
}) {
  const [problem, setProblem] = useState<Problem>()
  const [sending, setSending] = useState(false)
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault()
    if (sending) return
    setSending(true)
    setProblem(undefined)
    const form = event.currentTarget as HTMLFormElement
    const failed = await send(form)
    setSending(false)
    if (failed) setProblem(failed)
    else if (form.isConnected) closeDialog()
  }
  return (
    <Dialog title={title}>
      <form onSubmit={submit} autocomplete="off">
        {children}
        <div role="alert">{problem && <ProblemText problem={problem} />}</div>
        <div class="actions end">
          <button type="button" class="button" onClick={closeDialog}>
            Cancel
          </button>
          <button type="submit" class={danger ? 'button danger main' : 'button main'} aria-busy={sending}>
            {verb}
          </button>
        </div>
      </form>
    </Dialog>
  )
}
