import type { DashboardState } from '../../api.ts'
import { searchId } from '../keys.ts'
import { type Filter, isProblem } from '../list.ts'
import { change } from '../store.ts'
import { Action, count } from './parts.tsx'

export function Filters({ state, filter, shown }: { state: DashboardState; filter: Filter; shown: number }) {
  const { secrets, providers } = state
  const set = (part: Partial<Filter>): void => change({ filter: { ...filter, ...part } })
  const amount = (consumer: Filter['consumer']): number =>
    secrets.filter((secret) => consumer === '' || secret.consumer === consumer).length
  const sides: [Filter['consumer'], string][] = [
    ['', 'All'],
    ['client', 'Browser'],
    ['server', 'Server'],
  ]
  return (
    <search class="filters">
      <input
        id={searchId}
        type="search"
        placeholder="Search  /"
        aria-label="Search names, references and modules"
        autocomplete="off"
        spellcheck={false}
        value={filter.text}
        onInput={({ currentTarget }) => set({ text: currentTarget.value })}
      />
      <select
        aria-label="Provider"
        value={filter.provider}
        onChange={({ currentTarget }) => set({ provider: currentTarget.value })}
      >
        <option value="">Every provider</option>
        {providers.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <fieldset class="sides">
        <legend class="unseen">Seen by</legend>
        {sides.map(([consumer, label]) => (
          <label key={consumer}>
            <input
              type="radio"
              name="consumer"
              checked={filter.consumer === consumer}
              onChange={() => set({ consumer })}
            />
            <span>
              {label} {amount(consumer)}
            </span>
          </label>
        ))}
      </fieldset>
      <label class="check">
        <input
          type="checkbox"
          checked={filter.problems}
          onChange={({ currentTarget }) => set({ problems: currentTarget.checked })}
        />
        Only problems ({secrets.filter(isProblem).length})
      </label>
      <output class="muted">
        {shown === secrets.length ? count(shown, 'secret') : `${shown} of ${secrets.length}`}
      </output>
      {state.canAdd && <Action onPress={() => change({ asking: { kind: 'add' } })}>Add local secret</Action>}
    </search>
  )
}
