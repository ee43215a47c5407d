import type { CheckResult, Provider, ReadResult } from '../core/types.ts'
import { throwIfAborted } from './aborted.ts'

/** The process environment, as CI sets it. `env:NAME` reads one variable; one that is set and empty is there. */
export function env(): Provider {
  return {
    type: 'env',
    location: 'process.env',
    settings: {},
    cached: false,

    validate({ path, options }) {
      if (path === '*')
        return 'the environment holds much that is no secret (PATH, HOME) and much of other programs; name the variables one by one'
      if (path === '' || /[=\0]/.test(path)) return `${JSON.stringify(path)} cannot be the name of a variable`
      const [option] = Object.keys(options)
      return option === undefined ? undefined : `variables have no options; take ?${option} away`
    },

    async read(requests, context) {
      throwIfAborted(context)
      return requests.map(({ path }): ReadResult => {
        const value = variable(path)
        return value === undefined ? undefined : { value }
      })
    },

    async check(requests) {
      return requests.map(({ path }): CheckResult => {
        const label = `read process.env.${path}`
        if (variable(path) !== undefined) return { label, ok: true }
        return { label, ok: false, detail: 'not set', hint: 'Set it where this process is started.' }
      })
    },
  }
}

/** Own ones only: `process.env.constructor` is a function. */
function variable(name: string): string | undefined {
  return Object.hasOwn(process.env, name) ? process.env[name] : undefined
}
