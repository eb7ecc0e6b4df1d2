/** A scan worker that ends in the middle of a scan, throws, takes all memory, or never comes to an end, as the text says. */
export default function scan(task: { readonly segments: readonly { readonly text: string }[] }): unknown {
  const text = task.segments[0]?.text ?? ''
  if (text.startsWith('die')) process.exit(1)
  if (text.startsWith('throw')) throw new Error('no scan')
  const kept: unknown[] = []
  while (text.startsWith('take all')) kept.push(new Array(100_000).fill(kept.length))
  while (text.startsWith('hang')) {
    // A scan that runs away.
  }
  return { verdicts: task.segments.map(() => []), complete: true, times: [] }
}
