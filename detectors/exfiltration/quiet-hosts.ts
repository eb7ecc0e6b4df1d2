/**
 * Hosts that are told by their address what to show or count, as their documentation says: badges, diagrams, charts, maps,
 * avatars, formulas, placeholders, calendars and searches. Whoever sends something there has no account at which to read it, so
 * what it carries is no finding, unless it names another host to send it on to; a leading dot takes every host below. Nothing
 * belongs here that counts, translates, fetches or runs something for anybody, or passes a message on. Add what is missing.
 */
const QUIET: readonly string[] = [
  // Badges
  'img.shields.io shields.io badgen.net badge.fury.io flat.badgen.net codecov.io coveralls.io .travis-ci.org .travis-ci.com',
  'ci.appveyor.com snyk.io packagephobia.com packagephobia.now.sh david-dm.org nodei.co opencollective.com .circleci.com',
  'api.netlify.com app.netlify.com contrib.rocks api.star-history.com github-readme-stats.vercel.app bundlephobia.com',
  'readme-typing-svg.demolab.com readme-typing-svg.herokuapp.com capsule-render.vercel.app skillicons.dev badges.gitter.im',
  // Diagrams, charts, formulas, codes
  'mermaid.ink kroki.io www.plantuml.com plantuml.com quickchart.io chart.googleapis.com image-charts.com yuml.me',
  'latex.codecogs.com render.githubusercontent.com math.now.sh chart.apis.google.com api.qrserver.com carbon.now.sh',
  'image.pollinations.ai ray.so svgur.com asciinema.org',
  // Placeholders and avatars
  'placehold.co placehold.it via.placeholder.com placeholder.com dummyimage.com fakeimg.pl picsum.photos placekitten.com',
  'www.gravatar.com gravatar.com secure.gravatar.com ui-avatars.com .dicebear.com robohash.org avatars.githubusercontent.com',
  // Maps, calendars, searches
  'maps.googleapis.com maps.google.com www.google.com google.com calendar.google.com api.mapbox.com',
  'www.openstreetmap.org dev.virtualearth.net www.bing.com duckduckgo.com scholar.google.com outlook.live.com',
  'outlook.office.com outlook.office365.com twitter.com x.com www.facebook.com www.linkedin.com',
  // What keeps pictures under opaque names
  'private-user-images.githubusercontent.com user-images.githubusercontent.com',
  'lh1.googleusercontent.com lh2.googleusercontent.com lh3.googleusercontent.com lh4.googleusercontent.com',
  'lh5.googleusercontent.com lh6.googleusercontent.com .ggpht.com .fbcdn.net .cdninstagram.com .licdn.com .redd.it .pinimg.com .ytimg.com .twimg.com',
  'cdn.discordapp.com media.discordapp.net i.imgur.com upload.wikimedia.org oaidalleapiprodscus.blob.core.windows.net',
]

const HOSTS = new Set(QUIET.flatMap((line) => line.split(' ')))

/** Another address in an address, however often it is escaped. */
const ONWARD = /(?:https?(?::|%(?:25){0,4}3a)|=)(?:\/|%(?:25){0,4}2f){2}/i

/** Whether a host in lower case is one of them, or this machine itself. @param rest what stands behind it in its address */
export function isQuietHost(host: string, rest: string): boolean {
  if (LOCAL.test(host)) return true
  if (!isListed(host)) return false
  return !ONWARD.test(rest)
}

function isListed(host: string): boolean {
  if (HOSTS.has(host)) return true
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1))
    if (HOSTS.has(host.slice(dot))) return true
  return false
}

const LOCAL = /^(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1\])$|\.localhost$/
