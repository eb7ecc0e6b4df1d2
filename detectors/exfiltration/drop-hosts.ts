/**
 * Hosts to which anybody can send anything without an account of theirs on the way, and how their addresses look. Only an
 * address of somebody's own there is meant, never the service's front page. Gathered from the services' public documentation:
 * projectdiscovery/interactsh and PortSwigger's Burp Collaborator (interaction), the documentation of each inbox,
 * tunnel and paste service, and the webhook references of Discord, Slack, Microsoft, Telegram, Google, Zapier, IFTTT, Feishu,
 * DingTalk and WeCom. Add what is missing.
 */
import type { ExfiltrationRuleId } from './rules.ts'

/** What somebody's own address looks like: a name below the host, or what stands behind it. */
type Own = 'below' | RegExp

/** The host of the canary. */
export const CANARY_HOST = 'acc-canary.invalid'

const below = (rule: ExfiltrationRuleId, hosts: string): readonly (readonly [string, ExfiltrationRuleId, Own])[] =>
  hosts.split(' ').map((host) => [host, rule, 'below'])

const LISTED: readonly (readonly [host: string, rule: ExfiltrationRuleId, own: Own])[] = [
  ...below('interaction-host', CANARY_HOST),
  ...below('interaction-host', 'interact.sh oast.pro oast.live oast.site oast.online oast.fun oast.me interactsh.com'),
  ...below('interaction-host', 'oastify.com burpcollaborator.net bxss.me bxss.in xss.ht dnslog.cn ceye.io dnslog.link'),
  ...below('interaction-host', 'requestrepo.com dnsbin.zhack.ca pingb.in eyes.sh tu4.org callback.red dnslog.pw'),
  ['canarytokens.com', 'interaction-host', /^\/\w+/],

  ['webhook.site', 'request-bin', /^\/[0-9a-f-]{8,}/i],
  ...below('request-bin', 'webhook.site m.pipedream.net x.pipedream.net requestbin.net requestcatcher.com'),
  ...below('request-bin', 'free.beeceptor.com proxy.beeceptor.com hookb.in requestinspector.com webhook.cool'),
  ['requestbin.com', 'request-bin', /^\/r\/\w+/],
  ['requestbin.net', 'request-bin', /^\/r\/\w+/],
  ['hookbin.com', 'request-bin', /^\/\w{8,}/],
  ['hookb.in', 'request-bin', /^\/\w{8,}/],
  ['postb.in', 'request-bin', /^\/(?:b\/)?[\w-]{8,}/],
  ['ptsv2.com', 'request-bin', /^\/t\/[\w-]+/],
  ['ptsv3.com', 'request-bin', /^\/t\/[\w-]+/],
  ['toptal.com', 'request-bin', /^\/developers\/postbin\/[\w-]{8,}/],
  ['requestinspector.com', 'request-bin', /^\/inspect\/\w+/],
  ['mockbin.org', 'request-bin', /^\/bin\/[\w-]{8,}/],
  ['typedwebhook.tools', 'request-bin', /^\/webhook\/[\w-]{8,}/],
  ['webhookinbox.com', 'request-bin', /^\/i\/\w+/],

  ...below(
    'tunnel',
    'ngrok.io ngrok.app ngrok.dev ngrok-free.app ngrok-free.dev trycloudflare.com loca.lt localtunnel.me',
  ),
  ...below('tunnel', 'serveo.net lhr.life lhr.rocks localhost.run pinggy.link pinggy.io bore.digital localto.net'),
  ...below('tunnel', 'loclx.io tunnelmole.net telebit.io share.zrok.io devtunnels.ms playit.gg'),

  ['discord.com', 'chat-webhook', /^\/api\/(?:v\d+\/)?webhooks\/\d+\/[\w-]+/],
  ['discordapp.com', 'chat-webhook', /^\/api\/(?:v\d+\/)?webhooks\/\d+\/[\w-]+/],
  ['hooks.slack.com', 'chat-webhook', /^\/(?:services|workflows|triggers)\/\w+\/\w+/],
  ['api.telegram.org', 'chat-webhook', /^\/bot\d+:[\w-]+\/send\w+/i],
  ['webhook.office.com', 'chat-webhook', /^\/webhookb2\/\S+/],
  ['outlook.office.com', 'chat-webhook', /^\/webhook\/\S+/],
  ['chat.googleapis.com', 'chat-webhook', /^\/v1\/spaces\/[^/]+\/messages\?/],
  ['script.google.com', 'chat-webhook', /^\/macros\/s\/[\w-]+\/exec/],
  ['docs.google.com', 'chat-webhook', /^\/forms\/d\/e\/[\w-]+\/formResponse/],
  ['hooks.zapier.com', 'chat-webhook', /^\/hooks\/catch\/\w+/],
  ['maker.ifttt.com', 'chat-webhook', /^\/trigger\/\w+/],
  ['open.feishu.cn', 'chat-webhook', /^\/open-apis\/bot\/v2\/hook\/\S+/],
  ['oapi.dingtalk.com', 'chat-webhook', /^\/robot\/send\?/],
  ['qyapi.weixin.qq.com', 'chat-webhook', /^\/cgi-bin\/webhook\/send\?/],
  ['ntfy.sh', 'chat-webhook', /^\/[\w-]+/],
  ['formspree.io', 'chat-webhook', /^\/f\/\w+/],

  ['pastebin.com', 'paste-upload', /^\/api\/api_post\.php/],
  ['paste.ee', 'paste-upload', /^\/api(?:\/v1\/pastes)?\b/],
  ['dpaste.com', 'paste-upload', /^\/api\//],
  ['dpaste.org', 'paste-upload', /^\/api\//],
  ['hastebin.com', 'paste-upload', /^\/documents\b/],
  ['rentry.co', 'paste-upload', /^\/api\/new/],
  ['transfer.sh', 'paste-upload', /^\/(?!get\/|\w+\/\w+)\S*/],
  ['file.io', 'paste-upload', /^(?:\/?|\/\?.*)$/],
  ['0x0.st', 'paste-upload', /^\/?$/],
  ['x0.at', 'paste-upload', /^\/?$/],
  ['ix.io', 'paste-upload', /^\/?$/],
  ['sprunge.us', 'paste-upload', /^\/?$/],
  ['clbin.com', 'paste-upload', /^\/?$/],
  ['paste.rs', 'paste-upload', /^\/?$/],
  ['temp.sh', 'paste-upload', /^\/upload/],
  ['bashupload.com', 'paste-upload', /^\//],
  ['catbox.moe', 'paste-upload', /^\/user\/api\.php/],
  ['litterbox.catbox.moe', 'paste-upload', /^\/resources\/internals\/api\.php/],
  ['tmpfiles.org', 'paste-upload', /^\/api\/v1\/upload/],
  ['uguu.se', 'paste-upload', /^\/(?:api|upload)/],
  ['oshi.at', 'paste-upload', /^\/?$/],
  ['filebin.net', 'paste-upload', /^\/[\w-]+\/[^/\s]+/],
  ['gofile.io', 'paste-upload', /^\/(?:contents\/)?upload/],
]

const BY_HOST = new Map<string, { readonly rule: ExfiltrationRuleId; readonly own: Own }[]>()
for (const [host, rule, own] of LISTED) BY_HOST.set(host, [...(BY_HOST.get(host) ?? []), { rule, own }])

/** Ends of the listed hosts: a name that ends otherwise is none of them. */
export const DROP_ENDS: ReadonlySet<string> = new Set(
  [...BY_HOST.keys()].map((host) => host.slice(host.lastIndexOf('.') + 1)),
)

const LABELS_MAX = 12
/** Names that documentation writes where somebody's own would stand, and the service's own. */
const NOBODYS = /^(?:x{2,}|your|example|subdomain|random|www\b|docs?\b|status\b|blog\b|help\b)/

/**
 * The rule of an address at which somebody waits for what is sent; `null` for any other.
 * @param host in lower case @param rest its path and query
 */
export function dropRule(host: string, rest: string): ExfiltrationRuleId | null {
  if (!DROP_ENDS.has(host.slice(host.lastIndexOf('.') + 1))) return null
  let name = host
  for (let label = 0; label < LABELS_MAX; label++) {
    for (const { rule, own } of BY_HOST.get(name) ?? []) {
      if (own === 'below' ? name !== host && !NOBODYS.test(host) : own.test(rest)) return rule
    }
    const dot = name.indexOf('.')
    if (dot === -1) return null
    name = name.slice(dot + 1)
  }
  return null
}
