/**
 * Where a worker's entry file is: `.ts` in the checkout, `.js` in the shipped folder, which has the same names.
 * @param entry path below sidecar/ without an extension
 */
export function workerUrl(entry: string): URL {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
  return new URL(`./${entry}.${extension}`, import.meta.url)
}
