/** As much of Vite DevTools' kit (0.8) as is used here. The kit itself is never needed. */
interface DevToolsContext {
  readonly mode?: string
  readonly docks: {
    register(entry: {
      readonly id: string
      readonly title: string
      readonly icon: string
      readonly type: 'iframe'
      readonly url: string
    }): unknown
  }
}

/** A key, in the colour of the text around it where that can be known. */
const ICON = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke="#888" stroke-width="2"><circle cx="8" cy="15" r="5"/><path d="m11.500 11.500 9-9m-4 4 3 3"/></svg>',
)}`

/**
 * What Vite DevTools looks for in a plugin: the dashboard in its dock. Without its token, which the app's own
 * scripts would read in the frame's address; the page asks for it.
 * @param shown the DevTools are there
 */
export function devtoolsDock(shown: () => void): object {
  return {
    devtools: {
      setup({ mode, docks }: DevToolsContext) {
        if (mode === 'build') return
        shown()
        docks.register({
          id: 'unplugin-secrets',
          title: 'Secrets',
          icon: ICON,
          type: 'iframe',
          url: '/__secrets/',
        })
      },
    },
  }
}
