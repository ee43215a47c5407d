import { DATABASE_URL } from 'virtual:secrets/server'

/** Reads the binding at each call, so that it stays right when the value changes. */
export const connect = (): { user: string; length: number } => ({ user: 'app', length: DATABASE_URL.length })
