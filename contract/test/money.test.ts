import fc from 'fast-check'
import t from 'tap'
import {
  ceilToNano,
  formatUsd,
  MoneyFormatError,
  maxUsd,
  minUsd,
  nanoFromWire,
  nanoToWire,
  nanoUsd,
  parseUsd,
  picoUsd,
  ZERO_USD,
} from '../index.ts'

const anyAmount = fc.bigInt({ min: 0n, max: 999_999_999_999_999_999n }).map(nanoUsd)
const anySignedAmount = fc.bigInt({ min: -(10n ** 18n), max: 10n ** 18n }).map(nanoUsd)

t.test('an amount that is written as USD is read back to the nano', async (t) => {
  fc.assert(fc.property(anyAmount, (amount) => parseUsd(formatUsd(amount)) === amount))
  fc.assert(fc.property(anyAmount, (amount) => parseUsd(`$${formatUsd(amount)}`) === amount))
  t.pass('10^18 nano is a billion dollars')
})

t.test('an amount that goes over the wire comes back to the nano, negative ones too', async (t) => {
  fc.assert(fc.property(anySignedAmount, (amount) => nanoFromWire(nanoToWire(amount)) === amount))
  t.equal(nanoToWire(nanoUsd(24_975n)), '24975')
  for (const text of ['', '1.0', ' 1', '1e3', '0x10', '+1', '-', '12345678901234567890'])
    t.throws(() => nanoFromWire(text), MoneyFormatError, text)
})

t.test('a sum is rounded up to nano, by less than one nano, and never down', async (t) => {
  const anyPico = fc.bigInt({ min: 0n, max: 10n ** 30n }).map(picoUsd)
  fc.assert(
    fc.property(anyPico, (pico) => {
      const excess = ceilToNano(pico) * 1000n - pico
      return excess >= 0n && excess < 1000n
    }),
  )
  t.equal(ceilToNano(picoUsd(24_975_000n)), 24_975n, '333 tokens at $0.075 a million')
  t.equal(ceilToNano(picoUsd(24_975_001n)), 24_976n)
  t.equal(ceilToNano(picoUsd(1n)), 1n)
  t.equal(ceilToNano(picoUsd(0n)), 0n)
})

t.test('a decimal of USD is read without a float in between', async (t) => {
  t.equal(parseUsd('250.00'), 250_000_000_000n)
  t.equal(parseUsd('$250'), 250_000_000_000n)
  t.equal(parseUsd('0.000000001'), 1n)
  t.equal(parseUsd('0.1') + parseUsd('0.2'), parseUsd('0.3'))
  t.equal(parseUsd('999999999.999999999'), 999_999_999_999_999_999n)
  t.equal(parseUsd('0'), ZERO_USD)
})

t.test('anything else than a decimal of USD is refused, and the message shows the form', async (t) => {
  const wrong = [
    '',
    '.5',
    '5.',
    '1,000',
    '1e3',
    '-1',
    '+1',
    ' 1',
    '1 ',
    '$',
    '€5',
    '0.0000000001',
    '1234567890',
    'NaN',
    '１',
  ]
  for (const text of wrong) t.throws(() => parseUsd(text), { name: 'MoneyFormatError', message: /"250\.00"/ }, text)
})

t.test('amounts are shown with two decimals at least and as many as they need', async (t) => {
  t.equal(formatUsd(nanoUsd(24_975n)), '0.000024975')
  t.equal(formatUsd(nanoUsd(250_000_000_000n)), '250.00')
  t.equal(formatUsd(nanoUsd(1_500_000_000n)), '1.50')
  t.equal(formatUsd(nanoUsd(-1n)), '-0.000000001')
  t.equal(formatUsd(ZERO_USD), '0.00')
})

t.test('the larger and the smaller of two amounts are one of them', async (t) => {
  fc.assert(
    fc.property(
      anySignedAmount,
      anySignedAmount,
      (a, b) => maxUsd(a, b) >= minUsd(a, b) && maxUsd(a, b) + minUsd(a, b) === a + b,
    ),
  )
  t.pass()
})
