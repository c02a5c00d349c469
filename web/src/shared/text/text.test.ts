import { expect, test } from 'vitest'
import { initials } from './initials'
import { codePoints } from './length'
import { dayLabel } from './time'
import { neutral, tokens } from './tokens'

const links = (body: string) => tokens(body).flatMap((token) => (token.kind === 'link' ? [token.href] : []))
const shown = (body: string) =>
  tokens(body)
    .map((token) => token.text)
    .join('')

test('only http and https become links', () => {
  expect(links('see https://example.org/a?b=1#c and http://example.org')).toEqual([
    'https://example.org/a?b=1#c',
    'http://example.org/',
  ])
  expect(links('javascript:alert(1) data:text/html,x ftp://example.org www.example.org')).toEqual([])
})

test('punctuation of the sentence stays outside of the link', () => {
  expect(links('(see https://example.org/a).')).toEqual(['https://example.org/a'])
  expect(links('https://example.org/a_(b), and')).toEqual(['https://example.org/a_(b)'])
})

test('markup stays text and nothing is lost', () => {
  const body = '<b onclick="x">https://example.org</b>\n  two  spaces'
  expect(shown(body)).toBe(body)
})

test('overrides are made visible, hidden text is taken out, marks stop piling up', () => {
  expect(neutral('a\u202eb\u2066c')).toBe('a\ufffdb\ufffdc')
  expect(neutral('a\u200bb\ufeff')).toBe('ab')
  expect(neutral(`e${'\u0301'.repeat(40)}`)).toBe(`e${'\u0301'.repeat(4)}`)
})

test('a chain of joined emoji that no line could break comes apart', () => {
  expect(neutral(Array.from({ length: 30 }, () => '👩🏽').join('\u200d'))).toBe('👩🏽'.repeat(30))
})

test('joined emoji and line breaks are left alone', () => {
  const family = '👩‍👩‍👧\n\tend'
  expect(neutral(family)).toBe(family)
})

test('length counts code points', () => {
  expect(codePoints('añ👍🏽')).toBe(4)
})

test('initials come from the first and the last word', () => {
  expect(initials('Ada Lovelace')).toBe('AL')
  expect(initials('bo')).toBe('B')
  expect(initials('  ')).toBe('?')
})

test('days near today have names', () => {
  const now = new Date(2026, 2, 10, 9).getTime()
  expect(dayLabel(new Date(2026, 2, 10, 1).getTime(), now)).toBe('Today')
  expect(dayLabel(new Date(2026, 2, 9, 23).getTime(), now)).toBe('Yesterday')
})
