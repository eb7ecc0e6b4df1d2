import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { pages, prose } from '../support/documents.ts'
import { inCheckout } from '../support/paths.ts'

/** A heading's anchor, as GitHub makes it. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\- _]/gu, '')
    .replaceAll(' ', '-')

const anchors = (path: string): readonly string[] =>
  [...readFileSync(inCheckout(path), 'utf8').matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) => anchorOf(heading))

const all = pages()

t.test('every relative link leads to a file, and every anchor to a heading', async (t) => {
  let count = 0
  for (const page of all) {
    for (const [, link = ''] of prose(page).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue
      const [file = '', anchor] = link.split('#')
      const target = file === '' ? page.path : normalize(join(dirname(page.path), file))
      const whole = existsSync(inCheckout(target)) && (anchor === undefined || anchors(target).includes(anchor))
      t.ok(whole, `${page.path}: ${link}`)
      count++
    }
  }
  t.ok(count > 30, 'the check sees links')
})

t.test('every file that a page names by its path is there', async (t) => {
  const folders = 'contract|policy|detectors|sidecar|simulator|cli|policies|seed|test|bench|docs|\\.ci'
  let count = 0
  for (const page of all) {
    for (const [, path = ''] of prose(page).matchAll(new RegExp(`\`((?:${folders})/[\\w./-]*)\``, 'g'))) {
      // What a build makes is not in the checkout.
      if (path === 'sidecar/dist') continue
      t.ok(existsSync(inCheckout(path)), `${page.path}: ${path}`)
      count++
    }
  }
  t.ok(count > 15, 'the check sees paths')
})
