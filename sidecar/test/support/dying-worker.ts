/** A scan worker that ends in the middle of a scan, or never ends one, as the text says. */
export default function scan(task: { readonly segments: readonly { readonly text: string }[] }): unknown {
  const text = task.segments[0]?.text ?? ''
  if (text.startsWith('die')) process.exit(1)
  while (text.startsWith('hang')) {
    // A scan that runs away.
  }
  return { verdicts: task.segments.map(() => []), complete: true }
}
