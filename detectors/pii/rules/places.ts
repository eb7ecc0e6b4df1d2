import { form, type PiiRule } from '../rule.ts'

/** A word of a name: a capital, then letters of the Latin alphabets. */
const WORD = "[A-ZÀ-ÞĀ-Ž][A-Za-zÀ-ɏ.'’-]{0,24}"
/** Words inside names of streets that are written small. */
const SMALL = '(?:de|du|des|la|le|di|del|della|da|do|dos|van|von|of|the|y|e|den|der)'
const NAME = `(?:${WORD}|${WORD} ${WORD}|${WORD} ${WORD} ${WORD})`
const SUFFIX =
  '(?:Street|Avenue|Road|Boulevard|Drive|Lane|Court|Place|Square|Terrace|Parkway|Highway|Crescent|Close|Trail|Circle|Alley|Mews|Str|Ave|Blvd|Rd|Dr|Ln|Ct|Pl|Sq|Pkwy|Hwy|St)'
const FRENCH = '(?:[Rr]ue|[Aa]venue|[Bb]oulevard|[Pp]lace|[Cc]hemin|[Aa]ll[ée]e|[Ii]mpasse|[Qq]uai|[Cc]ours|[Rr]oute)'
const LED =
  '(?:Via|Viale|Piazza|Corso|Rua|Avenida|Travessa|Calle|C/|Plaza|Paseo|Carrer|Camino|R[úu]a|Rue|Boulevard|Chemin|[Uu]l[.]|[Aa]l[.]|Avenue|Rambla|Largo|Pra[çc]a|Strada)'
const SUFFIXED =
  '[A-ZÀ-Þ][A-Za-zÀ-ɏ-]{2,24}(?:stra(?:ß|ss)e|str[.]|weg|gasse|platz|allee|damm|ufer|straat|laan|gracht|plein|kade|gatan|vägen|gränd|vej|veien|vegen|gade|gata|katu|tie|kuja|polku|utca|ulice|ova)'
    .replaceAll('ß', '[ß]')
    .replaceAll('ä', '[ä]')
const UNIT = '(?:Apt|Suite|Unit|Apartment|Flat|Ste|Room|Box)'

/** The states, the district and the forces' post of the United States. */
const STATES =
  '(?:A[LKRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|P[AR]|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY])'
const UK_OUT =
  '(?:[A-PR-UWYZ]\\d{1,2}|[A-PR-UWYZ][A-HK-Y]\\d{1,2}|[A-PR-UWYZ]\\d[A-HJKPSTUW]|[A-PR-UWYZ][A-HK-Y]\\d[ABEHMNPRVWXY])'

const STREET = { id: 'street-address', category: 'address', severity: 'low' } as const
const POSTCODE = { id: 'postcode', category: 'address', severity: 'low' } as const

/** Where people live, as far as how it is written gives it away. */
export const PLACES: readonly PiiRule[] = [
  {
    ...STREET,
    title: 'Street and number',
    forms: [
      form('0:1-5', `\\d{1,5}[A-Za-z]? (?:[NSEW][.]? )?${NAME} ${SUFFIX}[.]?(?:,? ${UNIT}[.]? \\d{1,4})?`, 0.7),
      form('0:1-5', `\\d{1,5},? ${FRENCH} (?:${SMALL} )?(?:${SMALL} )?${NAME}`, 0.7),
      form('0:1-4', `${LED} (?:${SMALL} )?${NAME},? \\d{1,4}[A-Za-z]?`, 0.7, 5),
      form('0:1-4', `${SUFFIXED} \\d{1,4}[A-Za-z]?`, 0.6, 1),
      form('0:1-5', `${UNIT}[.]? \\d{1,5}[A-Za-z]?`, 0.5, 1),
      form('0:1-5', `PSC \\d{1,5},? Box \\d{1,5}`, 0.8, 1),
      form('0:5', '(?:APO|FPO|DPO) A[AEP] \\d{5}', 0.8, 2),
      form('0:1-5', `P[.]?O[.]? Box \\d{1,6}`, 0.8, 2),
    ],
  },
  {
    ...POSTCODE,
    title: 'Postcode',
    context: 'postcode',
    forms: [
      form('0:3-6', '\\d{3,6}'),
      form('0:5', '\\d{5}-\\d{4}'),
      form('0:4', '\\d{4}-\\d{3}'),
      form('0:4', '\\d{4} [A-Z]{2}'),
      form('0:2', '\\d{2}-\\d{3}'),
      form('0:3', '\\d{3} \\d{2}'),
    ],
  },
  {
    ...POSTCODE,
    title: 'State and ZIP code (United States)',
    forms: [form('0:5', `${STATES} \\d{5}(?:-\\d{4})?`, 0.6, 1)],
  },
  {
    ...POSTCODE,
    title: 'Postcode (United Kingdom)',
    context: 'postcode',
    forms: [
      form('1:1-2', `${UK_OUT} \\d[ABD-HJLNP-UW-Z]{2}`, 0.5),
      form('2:1-2', `${UK_OUT} \\d[ABD-HJLNP-UW-Z]{2}`, 0.7),
    ],
  },
  {
    ...POSTCODE,
    title: 'Postcode (Canada)',
    context: 'postcode',
    forms: [form('1:1', '[ABCEGHJ-NPRSTVXY]\\d[A-CEGHJ-NPR-TV-Z] \\d[A-CEGHJ-NPR-TV-Z]\\d', 0.7)],
  },
]
