import { expect, test } from 'vitest'
import { safeNext } from './next'

test.each(['/rooms/abc?x=1#y', '/rooms/directory'])('%s is a place of ours', (next) => {
  expect(safeNext(next)).toBe(next)
})

test.each(['//evil.example', '/\\evil.example', 'https://evil.example', '/\t/evil.example', '', undefined, 7])(
  '%j is not followed',
  (next) => {
    expect(safeNext(next)).toBe('/rooms')
  },
)
