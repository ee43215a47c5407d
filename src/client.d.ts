/**
 * Ambient types behind the generated ones. Load with `/// <reference types="unplugin-secrets/client" />`;
 * the generated file does so by itself.
 */

declare global {
  /** A secret declared with `mode: 'json'`. */
  // biome-ignore lint/suspicious/noExplicitAny: what is in the document is the owner's to know; give it a schema to have it typed.
  type SecretsJson = any

  /** What the schema of a declared secret gives. */
  type SecretsOutput<Config, Name extends string> = Config extends {
    secrets: { [key in Name]: { schema: { '~standard': { types?: infer Types } } } }
  }
    ? NonNullable<Types> extends { output: infer Output }
      ? Output
      : unknown
    : unknown
}

// Who has no Vite has nothing to add the event to.
// @ts-ignore
declare module 'vite/types/customEvent' {
  interface CustomEventMap {
    /** Secrets of the `client` list have new values. What it carries are their names. */
    'secrets:update': { readonly names: readonly string[] }
  }
}

export {}
