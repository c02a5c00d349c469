/** Beyond this the exact number helps nobody. */
const MOST = 999

export const countText = (count: number) => (count > MOST ? `${MOST}+` : `${count}`)
