/** How well the letters of `wanted` are found, in order, in `name`; null if they are not. Beginnings of words count most, then runs. */
export function score(name: string, wanted: string): number | null {
  const [text, letters] = [fold(name), fold(wanted).replaceAll(' ', '')]
  let [at, sum, run] = [0, 0, 0]
  for (const letter of letters) {
    const found = text.indexOf(letter, at)
    if (found < 0) return null
    run = found === at && at > 0 ? run + 1 : 0
    sum += (startsWord(text, found) ? 8 : 1) + run * 3 - Math.min(found - at, 4)
    at = found + letter.length
  }
  return sum - text.length / 100
}

const startsWord = (text: string, at: number) => at === 0 || /[\s\-_.#/]/u.test(text[at - 1] as string)

const fold = (text: string) => text.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')

interface Named {
  id: string
  name: string
}

/** Best first; without a wish, or where equal, the rooms that were opened last come first. */
export function ranked<T extends Named>(rooms: readonly T[], wanted: string, recent: readonly string[]): T[] {
  const place = (room: T) => {
    const index = recent.indexOf(room.id)
    return index < 0 ? recent.length : index
  }
  return rooms
    .map((room) => ({ room, score: score(room.name, wanted), place: place(room) }))
    .filter((entry): entry is typeof entry & { score: number } => entry.score !== null)
    .sort((a, b) => (wanted.trim() === '' ? 0 : b.score - a.score) || a.place - b.place)
    .map(({ room }) => room)
}
