/**
 * Ambient types behind the generated ones. Load with `/// <reference types="unplugin-secrets/client" />`;
 * the generated file does so by itself.
 */

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
