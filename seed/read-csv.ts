/** One row of a CSV file: column name to text; a column that the row leaves empty is `''`. */
export type CsvRow = Readonly<Record<string, string>>

/**
 * Reads a CSV file (RFC 4180: quoted fields may hold commas, line breaks and doubled quotes) whose first record names the columns.
 * @throws Error for a record with another number of fields than the header, or a quote that never closes.
 */
export function readCsv(text: string): readonly CsvRow[] {
  const [header, ...records] = readRecords(text)
  if (!header) return []
  return records.map((record, index) => {
    if (record.length !== header.length)
      throw new Error(`record ${index + 2} has ${record.length} fields, the header has ${header.length}`)
    return Object.fromEntries(header.map((name, column) => [name, record[column] ?? '']))
  })
}

function readRecords(text: string): string[][] {
  const records: string[][] = []
  let record: string[] = []
  let field = ''
  let quoted = false
  const endRecord = () => {
    record.push(field)
    field = ''
    if (record.length > 1 || record[0] !== '') records.push(record)
    record = []
  }
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (quoted) {
      if (char !== '"') field += char
      else if (text.charAt(at + 1) === '"') {
        field += '"'
        at++
      } else quoted = false
    } else if (char === '"') quoted = true
    else if (char === ',') {
      record.push(field)
      field = ''
    } else if (char === '\n') endRecord()
    else if (char !== '\r') field += char
  }
  if (quoted) throw new Error('a quoted field never closes')
  if (field !== '' || record.length > 0) endRecord()
  return records
}
