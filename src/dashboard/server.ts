import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { reasonOf, SecretsError } from '../core/errors.ts'
import type { SecretsOptions } from '../core/pipeline.ts'
import { Dashboard } from './dashboard.ts'
import { type PageFiles, pageFiles } from './files.ts'
import { DASHBOARD_PATH, dashboardHandler, sendNothing } from './handler.ts'
import { ProjectHost } from './project.ts'
import { createToken } from './token.ts'

export interface DashboardServerOptions extends SecretsOptions {
  /** Default: a free one. */
  port?: number
  /** Where the page is. Default: as it was built. */
  files?: () => Promise<PageFiles>
}

export interface DashboardServer {
  /** With the token, for a person. */
  readonly url: string
  close(): Promise<void>
}

/**
 * The dashboard on a server of its own, for this machine only.
 * @throws SecretsError FILE_UNREADABLE without its page, REQUEST_REFUSED for a port that cannot be had. What is
 *   wrong with the project is shown in the page.
 */
export async function serveDashboard(options: DashboardServerOptions = {}): Promise<DashboardServer> {
  const { port = 0, files = () => pageFiles(), ...rest } = options
  const page = await files()
  const host = new ProjectHost(rest)
  await host.open()
  const dashboard = new Dashboard(host)
  const token = createToken()
  const handle = dashboardHandler({
    dashboard,
    token,
    hosts: () => [],
    remote: () => false,
    framed: () => false,
    files: async () => page,
  })
  const server = createServer((request, response) => {
    handle(request, response, () => {
      if (request.url !== '/') return sendNothing(response)
      response.statusCode = 307
      response.setHeader('location', `${DASHBOARD_PATH}/`)
      response.end()
    })
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(port, '127.0.0.1', resolve)
    })
  } catch (error) {
    dashboard.close()
    await host.close()
    throw new SecretsError('REQUEST_REFUSED', `Cannot listen on port ${port}: ${reasonOf(error)}.`, {
      hint: 'Choose another one with --port.',
    })
  }
  const { port: own } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${own}${DASHBOARD_PATH}/#token=${token}`,
    close: async () => {
      dashboard.close()
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeAllConnections()
      await closed
      await host.close()
    },
  }
}
