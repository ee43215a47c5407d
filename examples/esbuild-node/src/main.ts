import { connect } from './database.ts'

const { user, length } = connect()
console.log(`${user} connects with an address of ${length} characters`)
console.log(`and sends a token of ${import.meta.env.API_TOKEN.length} characters`)
