import { render } from 'preact'
import { connect } from './connection.ts'
import { listenToKeys } from './keys.ts'
import { now } from './store.ts'
import { applyTheme } from './theme.ts'
import { takeToken } from './token.ts'
import { App } from './view/app.tsx'

applyTheme()
takeToken()
const root = document.getElementById('app')!
root.textContent = ''
render(<App />, root)
listenToKeys()
connect()

// A new link opened in an old tab changes only what stands behind the `#`.
addEventListener('hashchange', () => {
  if (location.hash !== '' && takeToken() !== undefined) connect()
})
// Nobody should wait for the rest of a long pause who comes back to the page.
document.addEventListener('visibilitychange', () => {
  if (document.visibilityState === 'visible' && now().connection.is === 'gone') connect()
})
