// Which glyphs and hyphenation a text wants, so that mixed conversations are drawn right.

/** The language to mark a text with, or undefined where the page's own will do. */
export function languageOf(text: string): 'zh' | 'ru' | undefined {
  const sample = text.slice(0, 400)
  const letters = sample.match(/\p{L}/gu)?.length ?? 0
  if (letters === 0) return undefined
  if ((sample.match(/\p{Script=Han}/gu)?.length ?? 0) > letters * 0.3) return 'zh'
  if ((sample.match(/\p{Script=Cyrillic}/gu)?.length ?? 0) > letters * 0.5) return 'ru'
  return undefined
}

export interface TextPart {
  text: string
  href?: string
}

const link = /https?:\/\/[^\s<>"'`]+[^\s<>"'`.,;:!?)\]}»”’]/g

/** Splits plain text at its links; everything stays text, nothing becomes markup. */
export function textParts(text: string): TextPart[] {
  const parts: TextPart[] = []
  let end = 0
  for (const match of text.matchAll(link)) {
    if (match.index > end) parts.push({ text: text.slice(end, match.index) })
    parts.push({ text: match[0], href: match[0] })
    end = match.index + match[0].length
  }
  if (end < text.length) parts.push({ text: text.slice(end) })
  return parts
}
