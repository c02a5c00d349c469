/** A message as plain text and links. Nothing in it is ever interpreted as markup. */
export type Token = { kind: 'text'; text: string } | { kind: 'link'; text: string; href: string }

const LINK = /\bhttps?:\/\/[^\s<>"'`\p{Cc}]+/giu

export function tokens(body: string): Token[] {
  const found: Token[] = []
  let end = 0
  for (const match of body.matchAll(LINK)) {
    const text = withoutTrailingPunctuation(match[0])
    const href = safeHref(text)
    if (!href) continue
    if (match.index > end) found.push({ kind: 'text', text: neutral(body.slice(end, match.index)) })
    found.push({ kind: 'link', text: neutral(text), href })
    end = match.index + text.length
  }
  if (end < body.length) found.push({ kind: 'text', text: neutral(body.slice(end)) })
  return found
}

/** A full stop or a closing bracket after a link belongs to the sentence, unless the bracket was opened inside it. */
function withoutTrailingPunctuation(link: string): string {
  let text = link
  for (;;) {
    const last = text.at(-1) ?? ''
    const closesOwn = last === ')' && text.split('(').length >= text.split(')').length
    if (!'.,;:!?)]}'.includes(last) || last === '' || closesOwn) return text
    text = text.slice(0, -1)
  }
}

function safeHref(text: string): string | null {
  try {
    const url = new URL(text)
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : null
  } catch {
    return null
  }
}

// Overrides and isolates could reorder what stands around them; marks, which only help, stay.
const BIDI_CONTROLS = /[\u202a-\u202e\u2066-\u2069]/gu
// Joiners (U+200C, U+200D) shape letters and emoji and stay; the others only hide text.
const INVISIBLE = /\u034f|[\u00ad\u115f\u1160\u180e\u200b\u2060-\u2064\u206a-\u206f\u3164\ufeff\uffa0]/gu
const CONTROLS = /(?![\t\n\r])\p{Cc}/gu
const PILED_MARKS = /(\p{Mn}{4})\p{Mn}+/gu
// More than any emoji has; a chain is one character, which no line breaks.
const CHAINED_EMOJI = /(?:\p{Extended_Pictographic}[\u{1f3fb}-\u{1f3ff}\ufe0f]*\u200d){8,}/gu

/** Shown harmlessly, stored as sent: no reordering, no hidden text, nothing over the rows around it or beyond their end. */
export function neutral(text: string): string {
  return text
    .replace(BIDI_CONTROLS, '\ufffd')
    .replace(INVISIBLE, '')
    .replace(CONTROLS, '\ufffd')
    .replace(PILED_MARKS, '$1')
    .replace(CHAINED_EMOJI, (chain) => chain.replaceAll('\u200d', ''))
}
