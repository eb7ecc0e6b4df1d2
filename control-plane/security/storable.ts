/** JSON that PostgreSQL reads: halves of characters, which its text cannot hold, become U+FFFD. */
export const storable = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === 'string' ? member.toWellFormed() : member))
