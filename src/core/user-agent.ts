import pkg from '../../package.json' with { type: 'json' }

/** The package's own version. */
export const VERSION: string = pkg.version

/** `unplugin-secrets/1.2.3 (node 20.19.0)`: what providers see of us. */
export function userAgent(): string {
  return `unplugin-secrets/${VERSION} (node ${process.versions.node})`
}
