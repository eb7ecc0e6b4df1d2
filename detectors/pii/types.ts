/**
 * What the rules find, in the names that public data sets (Presidio's) give it; a rule that is not here has no such name.
 * PERSON and DATE_TIME are found only where words beside them say so; GPE, ORGANIZATION, NRP, TITLE and AGE never.
 */
export const PII_TYPES: Readonly<Record<string, string>> = {
  email: 'EMAIL_ADDRESS',
  phone: 'PHONE_NUMBER',
  'credit-card': 'CREDIT_CARD',
  iban: 'IBAN_CODE',
  'us-ssn': 'US_SSN',
  'driver-licence': 'US_DRIVER_LICENSE',
  'street-address': 'STREET_ADDRESS',
  postcode: 'ZIP_CODE',
  'ip-address': 'IP_ADDRESS',
  domain: 'DOMAIN_NAME',
  'person-name': 'PERSON',
  'date-of-birth': 'DATE_TIME',
}
