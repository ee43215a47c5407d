import secrets from 'unplugin-secrets/webpack'

// One plugin for the compilers of browsers, server and edge.
const plugin = secrets()

export default {
  webpack(config) {
    config.plugins.push(plugin)
    return config
  },
}
