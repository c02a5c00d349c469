import { expect, test } from 'vitest'
import type { ConnectionState } from '@/shared/socket/client'
import { bannerText } from './banner-text'

const waiting: ConnectionState = { phase: 'waiting', offlineSince: 1_000, nextTryAt: 9_500, ended: null }

test('a short cut says nothing', () => {
  expect(bannerText(waiting, 2_999)).toBeNull()
})

test('a longer one counts down to the next try, and what is read aloud stays the same', () => {
  expect(bannerText(waiting, 3_000)).toEqual({
    message: 'Reconnecting…',
    countdown: 'next try in 7 s',
    action: 'try',
  })
  expect(bannerText({ ...waiting, phase: 'connecting', nextTryAt: null }, 9_500)?.message).toBe('Reconnecting…')
})

test('the end says what can be done', () => {
  const ended = { ...waiting, phase: 'ended' as const }
  expect(bannerText({ ...ended, ended: 'outdated' }, 0)?.action).toBe('reload')
  expect(bannerText({ ...ended, ended: 'disabled' }, 0)?.action).toBeNull()
})
