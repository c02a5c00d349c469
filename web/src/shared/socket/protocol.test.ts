import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parseFrame } from './protocol'

/** The same golden examples that the Rust tests read. */
const fixtures = new URL('../../../../proto/fixtures/server_frames.json', import.meta.url)
const frames: { type: string }[] = JSON.parse(readFileSync(fixtures, 'utf8'))

test.each(frames.map((frame, index) => [`${index} ${frame.type}`, frame] as const))(
  'frame %s is understood',
  (_, frame) => {
    expect(parseFrame(JSON.stringify(frame))).toEqual(frame)
  },
)

test('every kind of frame has an example', () => {
  const kinds = new Set(frames.map((frame) => frame.type))
  expect([...kinds].sort()).toEqual(
    [
      'ack',
      'cursors',
      'drain',
      'error',
      'frames',
      'page',
      'presence',
      'read',
      'rejected',
      'replay',
      'resync',
      'room_activity',
      'stored',
      'subscribed',
      'tallies',
      'unknown',
      'unsubscribed',
      'voided',
      'welcome',
    ].sort(),
  )
})

test.each([
  'not json',
  '[]',
  '{"type":"toString"}',
  '{"type":"ack","ref":1,"cid":"c","id":"i","at_most":9007199254740993}',
  '{"type":"frames","room":"r","prev":"1","items":[]}',
])('%s is not acted on', (text) => {
  expect(parseFrame(text)).toBeNull()
})
