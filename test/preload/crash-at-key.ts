/** Loaded in front of a control plane (`--import`): kills it like a power switch when it is about to print the admin key. */
const { stdout } = process
const write = stdout.write.bind(stdout)
stdout.write = ((chunk: string) => {
  if (String(chunk).includes('adminKey')) process.kill(process.pid, 'SIGKILL')
  return write(chunk)
}) as typeof stdout.write
