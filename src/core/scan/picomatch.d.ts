/** What is used of picomatch, which comes without types. */
declare module 'picomatch' {
  export default function picomatch(
    globs: string[],
    options?: { readonly dot?: boolean },
  ): (path: string) => boolean
}
