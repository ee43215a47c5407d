import { useEffect, useState } from 'preact/hooks'
import type { DashboardState, Problem } from '../api.ts'
import type { Filter } from './list.ts'

const VIEWS = ['secrets', 'providers', 'browser', 'environments', 'log'] as const
export type View = (typeof VIEWS)[number]

/** In the order of their keys. Not every project has environments that could be linked. */
export const viewsOf = ({ links }: DashboardState): readonly View[] =>
  links.length > 0 ? VIEWS : VIEWS.filter((view) => view !== 'environments')

/** What a dialog is about. */
export type Asking =
  | { readonly kind: 'add' }
  | { readonly kind: 'edit'; readonly name: string }
  | { readonly kind: 'remove'; readonly name: string }
  | { readonly kind: 'move'; readonly name: string }
  | { readonly kind: 'link'; readonly environment: string }
  | { readonly kind: 'unlink'; readonly environment: string }
  | { readonly kind: 'keys' }

export type Connection =
  | { readonly is: 'connecting' | 'live' | 'refused' }
  /** `again`: Unix time in ms of the next attempt. */
  | { readonly is: 'gone'; readonly again: number }

export interface Notice {
  readonly text: string
  /** Stays until it is closed. */
  readonly problem?: Problem | undefined
}

export interface Page {
  readonly connection: Connection
  /** The last that is known; `undefined` before the first. */
  readonly state: DashboardState | undefined
  readonly view: View
  readonly filter: Filter
  /** The name in the details. */
  readonly selected: string | undefined
  readonly asking: Asking | undefined
  /** Requests under way: `refresh`, `refresh NAME`, `test PROVIDER` and so on. */
  readonly busy: ReadonlySet<string>
  /** Unix time in ms at which Refresh All was pressed, while it runs. */
  readonly refreshing: number | undefined
  readonly notice: Notice | undefined
}

export const everything: Filter = { text: '', provider: '', consumer: '', problems: false }

let page: Page = {
  connection: { is: 'connecting' },
  state: undefined,
  view: 'secrets',
  filter: everything,
  selected: undefined,
  asking: undefined,
  busy: new Set(),
  refreshing: undefined,
  notice: undefined,
}
const listeners = new Set<(page: Page) => void>()

export const now = (): Page => page

export function change(part: Partial<Page>): void {
  page = { ...page, ...part }
  for (const listener of listeners) listener(page)
}

export function usePage(): Page {
  const [seen, see] = useState(page)
  useEffect(() => {
    listeners.add(see)
    see(page)
    return () => void listeners.delete(see)
  }, [])
  return seen
}
