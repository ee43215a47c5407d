import { useEffect } from 'preact/hooks'
import { type Page, usePage } from '../store.ts'
import { Banners, NeedsToken } from './banners.tsx'
import { BrowserView } from './browser.tsx'
import { Dialogs } from './dialogs.tsx'
import { Environments } from './environments.tsx'
import { Header } from './header.tsx'
import { Log } from './log.tsx'
import { Notices } from './notices.tsx'
import { Providers } from './providers.tsx'
import { Secrets } from './secrets.tsx'

export function App() {
  const page = usePage()
  const project = page.state?.project
  useEffect(() => {
    if (project !== undefined) document.title = `${project} · secrets`
  }, [project])
  return (
    <>
      <Header page={page} />
      <Banners page={page} />
      <main id="main" tabIndex={-1}>
        <Content page={page} />
      </main>
      <Notices notice={page.notice} />
      <Dialogs asking={page.asking} state={page.state} />
    </>
  )
}

function Content({ page }: { page: Page }) {
  const { state, view, connection } = page
  if (!state) {
    if (connection.is === 'refused') return <NeedsToken />
    return <p class="starting">{connection.is === 'gone' ? 'Waiting for the server…' : 'Loading…'}</p>
  }
  if (view === 'providers') return <Providers state={state} />
  if (view === 'browser') return <BrowserView state={state} />
  if (view === 'environments' && state.links.length > 0) return <Environments state={state} />
  if (view === 'log') return <Log state={state} />
  return <Secrets page={page} state={state} />
}
