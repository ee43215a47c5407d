import { refreshAll, refreshOne } from './actions.ts'
import { visible } from './list.ts'
import { change, now, viewsOf } from './store.ts'

export const searchId = 'search'
export const detailsTitle = 'details-title'
export const rowId = (name: string): string => `row-${name}`

/** Leaves the details; the keyboard goes back to the row they are of. */
export function closeDetails(): void {
  const { selected } = now()
  change({ selected: undefined })
  if (selected !== undefined) focus(rowId(selected))
}

/** When what has just been changed is drawn, which is before the next key: drawing is the microtask in front. */
export function focus(id: string): void {
  queueMicrotask(() => document.getElementById(id)?.focus())
}

function move(step: 1 | -1): void {
  const { state, filter, selected } = now()
  const names = visible(state?.secrets ?? [], filter).map(({ name }) => name)
  const at = names.indexOf(selected ?? '')
  const next = at === -1 ? (step === 1 ? 0 : names.length - 1) : at + step
  const name = names[Math.max(0, Math.min(names.length - 1, next))]
  if (name === undefined) return
  change({ selected: name })
  focus(rowId(name))
}

function refresh(): void {
  const { selected, view } = now()
  void (selected !== undefined && view === 'secrets' ? refreshOne(selected) : refreshAll())
}

const isWriting = (target: EventTarget | null): boolean =>
  target instanceof Element && target.matches('input:not([type=radio], [type=checkbox]), textarea, select')

function leave(target: EventTarget | null): void {
  const { selected, filter, notice } = now()
  if (target instanceof HTMLInputElement && target.id === searchId) {
    change({ filter: { ...filter, text: '' } })
    target.blur()
  } else if (notice) change({ notice: undefined })
  else if (selected !== undefined) closeDetails()
}

/** Keys of the whole page. What a person writes, and dialogs, keep theirs. */
export function listenToKeys(): void {
  document.addEventListener('keydown', (event) => {
    const { key, target } = event
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return
    const { asking, state } = now()
    if (asking || !state) return
    if (key === 'Escape') return leave(target)
    if (isWriting(target)) return
    const inList = !(target instanceof Element) || target.closest('#details, nav, [type=radio]') === null
    const view = viewsOf(state)[Number(key) - 1]
    if (key === '/') {
      change({ view: 'secrets' })
      focus(searchId)
    } else if (key === '?') change({ asking: { kind: 'keys' } })
    else if (key === 'r') refresh()
    else if (key === 'R') void refreshAll()
    else if (view) change({ view })
    else if (now().view !== 'secrets') return
    else if (key === 'j' || (key === 'ArrowDown' && inList)) move(1)
    else if (key === 'k' || (key === 'ArrowUp' && inList)) move(-1)
    else return
    event.preventDefault()
  })
}
