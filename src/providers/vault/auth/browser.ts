import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import { reasonOf, SecretsError } from '../../../core/errors.ts'

/** How long a person may take. */
const PATIENCE = 2 * 60 * 1000

const page = (text: string): string =>
  `<!doctype html><meta charset="utf-8"><title>unplugin-secrets</title><p>${text}</p>`

/**
 * Waits on the loopback interface for the browser to come back from the login.
 * @param expected whether the query belongs to the login that was begun; others are turned away and waited over
 * @throws SecretsError `LOGIN_REFUSED` when nobody comes or the login was refused, `ABORTED`, `REQUEST_REFUSED`
 */
export function awaitCallback(
  port: number,
  signal: AbortSignal,
  expected: (query: URLSearchParams) => boolean,
): Promise<URLSearchParams> {
  return new Promise((resolve, reject) => {
    const server = createServer((request, response) => {
      const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost')
      const say = (status: number, text: string) =>
        response
          .writeHead(status, { 'content-type': 'text/html; charset=utf-8', connection: 'close' })
          .end(page(text))
      if (request.method !== 'GET' || pathname !== '/oidc/callback') return say(404, 'There is nothing here.')
      if (!expected(searchParams)) return say(400, 'This is not the login that was begun.')
      if (searchParams.get('code')) {
        say(200, 'You are logged in. This window can be closed.')
        return end(() => resolve(searchParams))
      }
      say(200, 'The login was refused. The terminal says more.')
      end(() => reject(new SecretsError('LOGIN_REFUSED', 'The login in the browser was refused.')))
    })
    const timer = setTimeout(
      () =>
        end(() =>
          reject(
            new SecretsError('LOGIN_REFUSED', 'Nobody completed the login in the browser.', {
              hint: 'Start again, and complete it within two minutes.',
            }),
          ),
        ),
      PATIENCE,
    )
    const stop = () => end(() => reject(new SecretsError('ABORTED', 'The login was given up.')))
    function end(then: () => void): void {
      clearTimeout(timer)
      signal.removeEventListener('abort', stop)
      server.close()
      then()
    }
    server.on('error', (error) =>
      end(() =>
        reject(
          new SecretsError(
            'REQUEST_REFUSED',
            `Cannot wait for the browser on port ${port}: ${reasonOf(error)}.`,
            {
              hint: 'Another program, perhaps another login, uses the port. Set auth.port; the role must allow it.',
            },
          ),
        ),
      ),
    )
    if (signal.aborted) return stop()
    signal.addEventListener('abort', stop, { once: true })
    server.listen(port, 'localhost')
  })
}

/** Shows the address, and opens it where there is a screen. Not being able to is no error: a person can. */
export function openBrowser(address: string): void {
  process.stderr.write(`[secrets] Log in with the browser:\n  ${address}\n`)
  const command = browser()
  if (!command) return
  const [program, ...args] = command
  // No shell: the address is an argument of its own.
  const child = spawn(program!, [...args, address], { detached: true, stdio: 'ignore' })
  child.on('error', () => undefined).unref()
}

function browser(): string[] | undefined {
  const { BROWSER, DISPLAY, WAYLAND_DISPLAY } = process.env
  if (BROWSER) return [BROWSER]
  if (process.platform === 'darwin') return ['open']
  if (process.platform === 'win32') return ['rundll32', 'url.dll,FileProtocolHandler']
  return DISPLAY || WAYLAND_DISPLAY ? ['xdg-open'] : undefined
}
