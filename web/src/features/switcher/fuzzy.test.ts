import { expect, test } from 'vitest'
import { ranked, score } from './fuzzy'

const rooms = ['Community garden', 'Night trains', 'Reading circle', 'Bread', 'Café'].map((name) => ({
  id: name,
  name,
}))
const names = (wanted: string, recent: string[] = []) => ranked(rooms, wanted, recent).map((room) => room.name)

test('initials and beginnings find a room', () => {
  expect(names('cg')[0]).toBe('Community garden')
  expect(names('nt')[0]).toBe('Night trains')
  expect(names('read')[0]).toBe('Reading circle')
})

test('accents and case do not matter', () => {
  expect(names('CAFE')).toEqual(['Café'])
})

test('letters that are not there, or in another order, find nothing', () => {
  expect(names('xyz')).toEqual([])
  expect(score('Bread', 'daerb')).toBeNull()
})

test('without a wish the rooms that were opened last come first, the others in their own order', () => {
  expect(names('', ['Bread', 'Café'])).toEqual(['Bread', 'Café', 'Community garden', 'Night trains', 'Reading circle'])
})
