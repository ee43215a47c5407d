/**
 * `unplugin-secrets/server`: a zero-knowledge server for the vault-env protocol. It stores ciphertext, hashes,
 * names and metadata, and holds nothing that decrypts.
 *
 * @module
 */
export { type RunningVaultServer, type ServeOptions, serve } from './node.ts'
