import { DATABASE_URL } from 'virtual:secrets/server'

export const describe = () => `an address of ${DATABASE_URL.length} characters`
export const isSame = () => import.meta.env.DATABASE_URL === DATABASE_URL
