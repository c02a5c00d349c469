const segments = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** One or two letters that stand for a name: first letters of the first and the last word. */
export function initials(name: string): string {
  const words = name.split(/[\s._-]+/u).filter(Boolean)
  const first = words[0]
  const last = words.length > 1 ? words.at(-1) : undefined
  return [first, last].map((word) => (word ? firstLetter(word) : '')).join('') || '?'
}

function firstLetter(word: string): string {
  for (const { segment } of segments.segment(word)) return segment.toLocaleUpperCase()
  return ''
}
