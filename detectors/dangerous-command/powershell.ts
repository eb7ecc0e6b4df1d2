import type { Hit, JudgeNested } from './hit.ts'
import { type Needle, needlesIn } from './needles.ts'

const FETCH =
  /new-object\s{1,8}(?:system\.)?net\.webclient|downloadstring|downloaddata|invoke-webrequest|invoke-restmethod|\biwr\b|\birm\b|\bcurl\b|\bwget\b|webrequest\]::create|httpclient/i
const ROOT_TARGET =
  /(?:^|[\s'"=,;])(?:[a-z]:\\?\*?|[a-z]:\\(?:windows|users|program files)[\\\w ]*\*?|\$env:(?:systemdrive|systemroot|userprofile|windir|homedrive)\\?\*?|\$home\\?\*?|~\\?\*?|\/|\/\*|\/home|\/etc)(?=$|[\s'";,)|])/i

const NEEDLES: readonly Needle[] = [
  {
    rule: 'download-execute',
    needle: 'iex',
    near: new RegExp(
      `\\biex\\b[\\s\\S]*(?:${FETCH.source})|(?:${FETCH.source})[\\s\\S]*\\|\\s{0,8}iex\\b|&\\s{0,4}\\(\\s{0,4}['"]?iex`,
      'i',
    ),
  },
  { rule: 'download-execute', needle: 'invoke-expression', near: FETCH },
  { rule: 'download-execute', needle: 'downloadfile(', near: /start-process|\binvoke-item\b|\.exe|\bstart\b/i },
  {
    rule: 'decode-execute',
    needle: 'frombase64string',
    near: /\biex\b|invoke-expression|\[(?:system\.)?reflection\.assembly\]::load|scriptblock\]::create/i,
  },
  { rule: 'reverse-shell', needle: 'net.sockets.tcpclient', near: /getstream\(\)|\biex\b|\.read\(/i },
  { rule: 'security-off', needle: 'set-mppreference', near: /-(?:disable\w{3,40}|exclusion\w{3,20})/i },
  { rule: 'security-off', needle: 'add-mppreference', near: /-exclusion\w{3,20}/i },
  { rule: 'security-off', needle: 'amsiutils' },
  { rule: 'security-off', needle: 'amsiinitfailed' },
  { rule: 'security-off', needle: 'uninstall-windowsfeature', near: /defender/i },
  { rule: 'firewall-off', needle: 'set-netfirewallprofile', near: /-enabled\s{1,4}(?:false|\$false|0)/i },
  { rule: 'log-clear', needle: 'clear-eventlog' },
  { rule: 'history-clear', needle: 'clear-history' },
  { rule: 'history-clear', needle: 'consolehost_history.txt', near: /remove-item|\bdel\b|clear-content/i },
  { rule: 'scheduled-task', needle: 'register-scheduledtask' },
  { rule: 'scheduled-task', needle: 'new-scheduledtaskaction' },
  { rule: 'login-script', needle: '\\currentversion\\run', near: /(?:set|new)-itemproperty|reg\s{1,4}add/i },
  { rule: 'account-change', needle: 'add-localgroupmember', near: /administrators/i },
  { rule: 'wipe-disk', needle: 'clear-disk' },
  { rule: 'wipe-disk', needle: 'format-volume' },
  { rule: 'delete-important', needle: 'win32_shadowcopy', near: /delete|remove-/i },
  { rule: 'password-file-read', needle: 'invoke-mimikatz' },
  { rule: 'password-file-read', needle: 'comsvcs.dll', near: /minidump/i },
  {
    rule: 'delete-root',
    needle: 'remove-item',
    near: new RegExp(`remove-item(?=[^;|\\n]*-r(?:ec|ecurse)?\\b)[^;|\\n]*${ROOT_TARGET.source}`, 'i'),
  },
]
const ENCODED = /\s[-/]e(?:c|nc|nco|ncod|ncode|ncoded|ncodedc\w{0,8})?\s{1,8}['"]?([A-Za-z0-9+/]{16,65536}={0,2})/i

/** What PowerShell does that it should not. Backticks, which it skips inside words, are skipped. */
export function judgePowerShell(text: string, nested: JudgeNested): readonly Hit[] {
  // Same length, so that offsets hold: a backtick inside a word becomes nothing only for the search.
  const plain = text.includes('`') ? withoutTicks(text) : { text, at: (offset: number) => offset }
  const joined = plain.text.replace(/'\s{0,4}\+\s{0,4}'/g, (match) => ' '.repeat(match.length))
  const hits: Hit[] = [...needlesIn(joined, joined.toLowerCase(), NEEDLES)].map(({ rule, start, end }) => ({
    rule,
    start: plain.at(start),
    end: plain.at(end - 1) + 1,
  }))
  const encoded = ENCODED.exec(text)
  if (encoded) {
    const start = encoded.index + 1
    const end = encoded.index + encoded[0].length
    hits.push({ rule: 'encoded-command', start, end })
    const decoded = Buffer.from(encoded[1] ?? '', 'base64').toString('utf16le')
    for (const hit of nested(decoded, 'powershell')) hits.push({ ...hit, start, end })
  }
  return hits
}

function withoutTicks(text: string): { readonly text: string; readonly at: (offset: number) => number } {
  const offsets: number[] = []
  let kept = ''
  for (let index = 0; index < text.length; index++) {
    if (text[index] === '`') continue
    kept += text[index]
    offsets.push(index)
  }
  return { text: kept, at: (offset) => offsets[offset] ?? text.length - 1 }
}
