/** Reads the call of a tool: which of its arguments decide where something goes, and whether it acts on the world. */

/** What an argument is for, by its name and its tool's. */
export type ArgumentRole =
  /** Who gets something. */
  | 'recipient'
  /** A place on the network. */
  | 'address'
  /** A command or code. */
  | 'command'
  /** Where a credential belongs. */
  | 'credential'
  /** Text that people read. */
  | 'content'
  /** Anything else. */
  | 'other'

/** A text or number among the arguments. */
export interface CallArgument {
  readonly role: ArgumentRole
  readonly text: string
}

/** A call as flows see it. */
export interface ReadCall {
  /** False for a call that only looks something up. */
  readonly acts: boolean
  /** What it is given goes somewhere else: not where it only changes files or memory here. */
  readonly sends: boolean
  readonly arguments: readonly CallArgument[]
}

const ARGUMENTS_MAX = 512
const DEPTH_MAX = 16

const listed = (words: string): ReadonlySet<string> => new Set(words.split(' '))

const READING = listed(
  'get list search find fetch read browse lookup query view show check count describe summarize summarise retrieve scan load open visit download inspect ls cat grep head tail stat recall navigate goto look web is has calculate compute analyze analyse parse extract validate verify preview',
)
const ACTING = listed(
  'send transfer pay post email mail upload delete share invite grant forward reply respond publish schedule wire withdraw order buy purchase book notify message tweet comment push deploy submit export write create add update set change modify remove move copy run exec execute shell bash terminal command put patch curl subscribe register donate refund charge reserve call dm sms text webhook assign approve merge commit remit issue dispatch ship redirect sync backup report',
)
const WORDS_BY_ROLE: readonly (readonly [ArgumentRole, ReadonlySet<string>])[] = [
  [
    'credential',
    listed(
      'token auth authorization authentication password passwd passphrase secret credential credentials apikey key cvv cvc pin otp cookie session jwt bearer signature card pan ssn',
    ),
  ],
  [
    'command',
    listed(
      'command cmd commands script code shell bash sql query_string statement program args argv powershell python',
    ),
  ],
  [
    'address',
    listed('url uri link href webhook endpoint host hostname domain callback site website server remote origin target'),
  ],
  [
    'recipient',
    listed(
      'to cc bcc recipient recipients email emails mail participants participant attendees attendee invitee invitees guests user users username member members collaborator collaborators grantee assignee iban account accounts beneficiary payee wallet address addresses phone destination bic receiver owner contact contacts channel handle with person people subscriber forward',
    ),
  ],
  [
    'content',
    listed(
      'body content text message subject description summary notes note title comment html markdown caption input prompt query question q data payload details reason memo contents document',
    ),
  ],
]

/** @param text the JSON text of its arguments; what is not JSON is one argument, a command if the tool runs commands */
export function readCall(text: string, tool: string | undefined): ReadCall {
  const words = wordsOf(tool ?? '')
  const [first = ''] = words
  const runs = words.some((word) => RUNS.has(word))
  const found: { role: ArgumentRole; text: string }[] = []
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    json = text
  }
  collect(json, runs ? 'command' : 'other', 0, found)
  const method = found.some(({ role, text: value }) => role === 'other' && SENDING_METHOD.test(value))
  const commands = found.filter(({ role }) => role === 'command')
  const acts = tool === undefined || method || (!READING.has(first) && words.some((word) => ACTING.has(word)))
  const sends =
    method ||
    commands.some((command) => reachesOut(command.text)) ||
    (commands.length === 0 &&
      !words.some((word) => LOCAL.has(word)) &&
      (acts || words.some((word) => OUTWARD.has(word))))
  return { acts, sends, arguments: found }
}

/** Whether a command talks to another machine. */
const reachesOut = (command: string): boolean => NETWORK.test(command)

/** Whether a command gives something away, or runs what it gets. */
export const handsOver = (command: string): boolean => HANDS_OVER.test(command)

const NETWORK =
  /\b(?:curl|wget|nc|ncat|netcat|scp|sftp|rsync|ssh|ftp|telnet|dig|nslookup|http|https|Invoke-\w+|iwr|irm|requests|urllib|fetch|axios|socket|smtplib|sendmail|mail|aws|gsutil|git push|npm publish)\b/i
const HANDS_OVER =
  /\b(?:curl|wget|http)\b[^\n]{0,400}(?:\s-[dFT]\b|--data|--form|--upload-file|--post|-X ?(?:POST|PUT)|\$\(|`|\|\s*\w*sh\b|\|\s*python)|\|\s*(?:nc|ncat|curl|mail|sendmail)\b|\b(?:nc|ncat|netcat|scp|sftp|rsync|telnet|sendmail)\s|requests\.(?:post|put)|-Method\s+Post|\biex\b|(?:pip3?|npm|npx|uvx|gem|cargo)\s[^\n]{0,80}https?:|bash\s+<\(|\/dev\/tcp\//i

/** Tools that change something here alone. */
const LOCAL = listed('file files edit editor memory note notes todo notebook database sql db variable env config write')
/** Tools that look something up elsewhere. */
const OUTWARD = listed('web webpage fetch http url browse browser open visit navigate goto request google bing')
const RUNS = listed('run exec execute shell bash terminal command python powershell sql')
const SENDING_METHOD = /^(?:POST|PUT|PATCH|DELETE)$/

function collect(value: unknown, role: ArgumentRole, depth: number, into: CallArgument[]): void {
  if (into.length >= ARGUMENTS_MAX) return
  if (typeof value === 'string') into.push({ role, text: value })
  else if (typeof value === 'number' || typeof value === 'bigint') into.push({ role, text: String(value) })
  else if (Array.isArray(value)) {
    if (depth < DEPTH_MAX) for (const item of value) collect(item, role, depth + 1, into)
  } else if (typeof value === 'object' && value !== null && depth < DEPTH_MAX) {
    for (const [key, member] of Object.entries(value)) collect(member, roleOf(key) ?? role, depth + 1, into)
  }
}

/** What names a record is no address of anybody, whatever the record is of. */
const ID = listed('id ids uuid guid')
const roles = new Map<string, ArgumentRole | null>()
const ROLES_MAX = 4_096

/** By the name of an argument; `null` where it says nothing. */
function roleOf(name: string): ArgumentRole | null {
  let role = roles.get(name)
  if (role === undefined) {
    const words = wordsOf(name.slice(0, 64))
    role = words.some((word) => ID.has(word))
      ? 'other'
      : (WORDS_BY_ROLE.find(([, listedWords]) => words.some((word) => listedWords.has(word)))?.[0] ?? null)
    if (roles.size >= ROLES_MAX) roles.clear()
    roles.set(name, role)
  }
  return role
}

/** The words of a name as programmers write them: `sendEmail`, `send_email`, `mail.send-email`. */
const wordsOf = (name: string): readonly string[] =>
  name
    .slice(0, 128)
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z\d]+/)
    .filter((word) => word !== '')
