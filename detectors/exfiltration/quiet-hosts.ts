/**
 * Hosts that are told by their address what to show or count, as their documentation says: badges, diagrams, charts, maps,
 * avatars, formulas, placeholders, page views, calendars and searches. Nobody but their operator reads what is sent there, so
 * what it carries is no finding; a leading dot takes every host below. Add what is missing.
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
  'image.pollinations.ai ray.so swagger.io validator.swagger.io svgur.com contrib.rocks asciinema.org',
  // Placeholders and avatars
  'placehold.co placehold.it via.placeholder.com placeholder.com dummyimage.com fakeimg.pl picsum.photos placekitten.com',
  'www.gravatar.com gravatar.com secure.gravatar.com ui-avatars.com .dicebear.com robohash.org avatars.githubusercontent.com',
  // Maps, calendars, searches, translations
  'maps.googleapis.com maps.google.com www.google.com google.com calendar.google.com translate.google.com api.mapbox.com',
  'www.openstreetmap.org dev.virtualearth.net www.bing.com duckduckgo.com scholar.google.com outlook.live.com',
  'outlook.office.com outlook.office365.com wa.me api.whatsapp.com twitter.com x.com www.facebook.com www.linkedin.com',
  // Page views
  'www.google-analytics.com ssl.google-analytics.com ga-beacon.appspot.com www.googletagmanager.com stats.g.doubleclick.net',
  // What proxies and keeps pictures under opaque names
  'camo.githubusercontent.com private-user-images.githubusercontent.com user-images.githubusercontent.com',
  '.googleusercontent.com .ggpht.com .fbcdn.net .cdninstagram.com .licdn.com .redd.it .pinimg.com .ytimg.com .twimg.com',
  'cdn.discordapp.com media.discordapp.net i.imgur.com upload.wikimedia.org oaidalleapiprodscus.blob.core.windows.net',
]

const HOSTS = new Set(QUIET.flatMap((line) => line.split(' ')))

/** Whether a host in lower case is one of them, or this machine itself. */
export function isQuietHost(host: string): boolean {
  if (HOSTS.has(host) || LOCAL.test(host)) return true
  for (let dot = host.indexOf('.'); dot !== -1; dot = host.indexOf('.', dot + 1))
    if (HOSTS.has(host.slice(dot))) return true
  return false
}

const LOCAL = /^(?:localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[::1\])$|\.localhost$/
