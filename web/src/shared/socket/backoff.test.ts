import { expect, test } from 'vitest'
import { backoffMs } from './backoff'

test('a delay lies anywhere below the doubled bound', () => {
  expect(backoffMs(0, 0)).toBe(0)
  expect(backoffMs(0, 0.999)).toBeLessThan(500)
  expect(backoffMs(3, 0.5)).toBe(2_000)
})

test('the bound stops growing', () => {
  expect(backoffMs(10, 0.5)).toBe(15_000)
  expect(backoffMs(4_000, 0.999)).toBeLessThan(30_000)
})
