// Somebody who uses the library.
import { headers } from './dist/index.js'

console.log(`authorization: ${headers().authorization.length} characters`)
