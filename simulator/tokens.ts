/**
 * The simulator's tokenizer: words and the space before them, four UTF-8 bytes a token, rounded up. Deterministic, and
 * never more tokens than bytes, as with the byte-level tokenizers of the real providers.
 */
export function countTokens(text: string): number {
  let tokens = 0
  for (const word of text.match(/\s*\S+|\s+$/g) ?? []) tokens += Math.ceil(Buffer.byteLength(word) / 4)
  return tokens
}

/** Tokens around each message (role and separators) and around the request. */
export const MESSAGE_TOKENS = 3
export const REQUEST_TOKENS = 3
/** Tokens of an image part, as of a small one at the real provider. */
export const IMAGE_TOKENS = 85

/** Cuts a text into pieces of one token each; put together they are the text again. */
export function tokenPieces(text: string): readonly string[] {
  const pieces: string[] = []
  for (const word of text.match(/\s*\S+|\s+$/g) ?? []) {
    let piece = ''
    for (const character of word) {
      if (piece !== '' && Buffer.byteLength(piece + character) > 4) {
        pieces.push(piece)
        piece = ''
      }
      piece += character
    }
    if (piece !== '') pieces.push(piece)
  }
  return pieces
}
