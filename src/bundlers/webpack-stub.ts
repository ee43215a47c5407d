/**
 * The file behind the virtual modules of webpack and Rspack: a loader gives it its content. Its own is what
 * one gets who goes round that loader.
 */
throw new Error('virtual:secrets/… was imported in a way that leaves out the loader of unplugin-secrets.')
