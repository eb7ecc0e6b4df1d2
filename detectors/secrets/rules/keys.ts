import type { RuleFile, SecretRule } from '../rule.ts'

/** Line breaks, real or escaped, and indentation. */
const BREAK = '[\\s\\\\rn]'
/** "Proc-Type: 4,ENCRYPTED" and the like. */
const HEADER = `(?:[A-Z][A-Za-z-]{2,15}:[A-Za-z0-9 ,./:+()@<>-]{1,80}${BREAK}{1,12})?`
/** Base64 in lines; forty characters in a row tell a key from prose about keys. */
const BODY = '[A-Za-z0-9+/=]{40}[A-Za-z0-9+/=\\s\\\\]{0,12000}[A-Za-z0-9+/=]'
const BLOCK = `${BREAK}{0,12}${HEADER}${HEADER}${HEADER}${BODY}`
const LAST_LINE = `(?:${BREAK}{0,12}-----END [A-Z0-9 ]{1,30}-----)?`

const pemRule = (id: string, title: string, name: string): SecretRule => ({
  id,
  title,
  severity: 'critical',
  keywords: [`-----BEGIN ${name}-----`],
  pattern: `-----BEGIN ${name}-----${BLOCK}${LAST_LINE}`,
  before: 'any',
  entropyMin: 4,
  placeholders: false,
})

/** Private keys, and tokens that describe themselves. */
export const KEYS: RuleFile = {
  family: 'key',
  rules: [
    pemRule('private-key', 'Private key (PKCS #8)', 'PRIVATE KEY'),
    pemRule('private-key-encrypted', 'Encrypted private key (PKCS #8)', 'ENCRYPTED PRIVATE KEY'),
    pemRule('private-key-rsa', 'RSA private key', 'RSA PRIVATE KEY'),
    pemRule('private-key-ec', 'Elliptic curve private key', 'EC PRIVATE KEY'),
    pemRule('private-key-dsa', 'DSA private key', 'DSA PRIVATE KEY'),
    pemRule('private-key-openssh', 'OpenSSH private key', 'OPENSSH PRIVATE KEY'),
    pemRule('private-key-pgp', 'PGP private key', 'PGP PRIVATE KEY BLOCK'),
    {
      id: 'private-key-putty',
      title: 'PuTTY private key',
      severity: 'critical',
      keywords: ['Private-Lines: '],
      pattern: `Private-Lines: \\d{1,3}${BREAK}{1,4}${BODY}`,
      placeholders: false,
    },
    {
      id: 'age-secret-key',
      title: 'age secret key',
      severity: 'critical',
      keywords: ['AGE-SECRET-KEY-1'],
      pattern: 'AGE-SECRET-KEY-1[A-Z0-9]{58}',
    },
    {
      id: 'wireguard-private-key',
      title: 'WireGuard private key',
      severity: 'critical',
      keywords: ['PrivateKey'],
      pattern: 'PrivateKey ?= ?([A-Za-z0-9+/]{43}=)',
      end: 'base64',
      entropyMin: 3.8,
    },
    {
      id: 'bip32-extended-private-key',
      title: 'Extended private key of a wallet (BIP 32)',
      severity: 'critical',
      keywords: ['xprv', 'yprv', 'zprv'],
      pattern: '[xyz]prv[1-9A-HJ-NP-Za-km-z]{107,108}',
      placeholders: false,
      entropyMin: 4,
    },
    {
      id: 'hex-private-key',
      title: 'Private key in hexadecimal',
      severity: 'high',
      keywords: ['private_key', 'privatekey', 'private-key', 'private key'],
      value: '(?:0x)?[0-9a-f]{64}',
      ignoreCase: true,
      needsHint: false,
      entropyMin: 3,
    },
    {
      id: 'jwk-private-key',
      title: 'Private part of a JSON Web Key',
      severity: 'high',
      keywords: ['"d":"', '"d": "'],
      pattern: '"d": ?"([A-Za-z0-9_-]{42,1400})',
      before: 'any',
      end: 'quote',
      check: 'mixed',
      placeholders: false,
      entropyMin: 4,
    },
    {
      id: 'jwt',
      title: 'JSON Web Token',
      severity: 'medium',
      keywords: ['eyJ'],
      pattern: 'eyJ[A-Za-z0-9_-]{10,1000}\\.eyJ[A-Za-z0-9_-]{10,4000}\\.[A-Za-z0-9_-]{20,1000}',
      check: 'jwt',
      end: 'word',
    },
    {
      id: 'supabase-service-key',
      title: 'Supabase service role key',
      severity: 'critical',
      keywords: ['eyJ'],
      pattern: 'eyJ[A-Za-z0-9_-]{10,1000}\\.eyJ[A-Za-z0-9_-]{10,4000}\\.[A-Za-z0-9_-]{20,1000}',
      check: 'jwt-service-role',
      end: 'word',
    },
    {
      id: 'unix-password-hash',
      title: 'Password hash of a Unix account',
      severity: 'medium',
      keywords: [':$6$', ':$5$', ':$y$'],
      pattern: ':(\\$(?:[56]|y)\\$(?:rounds=[0-9]{1,9}\\$)?[A-Za-z0-9./]{2,24}\\$[A-Za-z0-9./]{43,86})',
      before: 'any',
      placeholders: false,
    },
  ],
}
