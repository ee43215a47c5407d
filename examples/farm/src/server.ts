import { DATABASE_URL } from 'virtual:secrets/server'

const connect = (): number => DATABASE_URL.length
console.log(`an address of ${connect()} characters`)
