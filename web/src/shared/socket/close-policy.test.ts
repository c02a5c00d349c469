import { expect, test } from 'vitest'
import { closeAction } from './close-policy'

test.each([1001, 1006, 1012, 1013, 4008])('%i comes back with jitter', (code) => {
  expect(closeAction(code)).toEqual({ kind: 'retry', atLeastMs: 0 })
})

test.each([1002, 1003, 1007, 1008, 1009, 4599])('%i does not come back', (code) => {
  expect(closeAction(code)).toEqual({ kind: 'stop', ended: 'refused' })
})

test('an expired token is refreshed, a drain waits for its slot, a rate limit waits longer', () => {
  expect(closeAction(4001)).toEqual({ kind: 'refresh' })
  expect(closeAction(4010)).toEqual({ kind: 'slot' })
  expect(closeAction(4029)).toMatchObject({ kind: 'retry', atLeastMs: 5_000 })
})

test('what ended for good says why', () => {
  expect(closeAction(4501)).toEqual({ kind: 'stop', ended: 'signed-out' })
  expect(closeAction(4503)).toEqual({ kind: 'stop', ended: 'disabled' })
  expect(closeAction(4505)).toEqual({ kind: 'stop', ended: 'outdated' })
})
