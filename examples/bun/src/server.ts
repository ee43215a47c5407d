import { DATABASE_URL } from 'virtual:secrets/server'
import page from './page.html'

const connect = (): number => DATABASE_URL.length
console.log(`an address of ${connect()} characters`)
if (!process.argv.includes('--check')) Bun.serve({ port: 3000, routes: { '/': page } })
