import { expect, test } from 'vitest'
import { readableOn } from './avatar'

test('letters contrast with the colour they stand on', () => {
  expect(readableOn('#1d5c46')).toBe('#ffffff')
  expect(readableOn('#f5e663')).toBe('#161816')
})
