/**
 * Hosts that everybody puts things on: what somebody put there may be listed by its path, the host by itself never is.
 * Gathered from the services' own public documents; add what is missing.
 */
const SHARED: readonly string[] = [
  // Code
  'github.com gist.github.com raw.githubusercontent.com gist.githubusercontent.com objects.githubusercontent.com',
  'codeload.github.com githubusercontent.com github.io gitlab.com gitlab.io bitbucket.org codeberg.org sourceforge.net',
  'sr.ht gitee.com npmjs.com registry.npmjs.org unpkg.com cdn.jsdelivr.net jsdelivr.net esm.sh pypi.org',
  'files.pythonhosted.org crates.io rubygems.org hub.docker.com docker.io ghcr.io quay.io huggingface.co hf.co kaggle.com',
  'colab.research.google.com replit.com repl.co codepen.io jsfiddle.net stackblitz.com glitch.me stackoverflow.com',
  // Pastes
  'pastebin.com paste.ee rentry.co rentry.org hastebin.com dpaste.com dpaste.org ghostbin.com paste.rs pastes.io 0bin.net',
  'controlc.com justpaste.it telegra.ph ideone.com termbin.com ix.io bpa.st pastelink.net textbin.net privatebin.net',
  // Files
  'drive.google.com docs.google.com sites.google.com drive.usercontent.google.com googleusercontent.com dropbox.com',
  'dl.dropboxusercontent.com dropboxusercontent.com onedrive.live.com 1drv.ms sharepoint.com box.com mega.nz',
  'mediafire.com wetransfer.com transfer.sh file.io gofile.io catbox.moe files.catbox.moe anonfiles.com bashupload.com',
  'archive.org web.archive.org icloud.com yadi.sk disk.yandex.ru uploadhaven.com pixeldrain.com send.cm temp.sh',
  // Clouds
  'amazonaws.com s3.amazonaws.com storage.googleapis.com googleapis.com blob.core.windows.net core.windows.net',
  'digitaloceanspaces.com r2.dev backblazeb2.com cloudfront.net azureedge.net azurewebsites.net akamaihd.net fastly.net',
  'pages.dev workers.dev vercel.app netlify.app herokuapp.com firebaseapp.com web.app appspot.com run.app fly.dev',
  'onrender.com railway.app surge.sh ngrok.io ngrok.app ngrok-free.app trycloudflare.com loca.lt ipfs.io',
  // Names and links
  'duckdns.org no-ip.org ddns.net bit.ly tinyurl.com t.co goo.gl is.gd cutt.ly rebrand.ly ow.ly t.ly lnkd.in',
  // Words
  'medium.com substack.com wordpress.com blogspot.com blogger.com notion.so notion.site wixsite.com weebly.com tumblr.com',
  'discord.com discordapp.com cdn.discordapp.com media.discordapp.net discord.gg t.me telegram.org slack.com files.slack.com',
  'x.com twitter.com facebook.com instagram.com linkedin.com reddit.com youtube.com youtu.be google.com www.google.com',
  'forms.gle microsoft.com live.com office.com apple.com wikipedia.org trello.com atlassian.net zendesk.com canva.com',
]

const HOSTS: ReadonlySet<string> = new Set(SHARED.flatMap((line) => line.split(' ')))

/** Whether a host in lower case, with or without `www.`, is one of them. */
export const isSharedHost = (host: string): boolean => HOSTS.has(host.startsWith('www.') ? host.slice(4) : host)
