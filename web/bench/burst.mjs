/**
 * A socket whose room is made busy from outside: what the server says passes through, and live frames are put in between, so that the page alone is
 * measured and not how fast this machine's server and senders are.
 * @param {import('playwright-core').Page} page
 */
export async function busySocket(page) {
  /** @type {{ send: (text: string) => void } | null} */
  let wire = null
  let next = 0
  let number = 0
  await page.routeWebSocket(/\/api\/v1\/socket$/, (socket) => {
    const server = socket.connectToServer()
    wire = { send: (text) => socket.send(text) }
    server.onMessage((text) => {
      const frame = JSON.parse(String(text))
      if (frame.cursor) next = Math.max(next, frame.cursor)
      for (const entry of frame.type === 'cursors' ? frame.items : []) next = Math.max(next, entry.cursor)
      socket.send(String(text))
    })
  })

  /** @param {string} room @param {string} sender */
  function message(room, sender) {
    const position = next++
    const id = `00000000-0000-8000-8000-${String(++number).padStart(12, '0')}`
    const body = `Message ${number} of a busy minute${', which goes on'.repeat(number % 5)}`
    const item = { position, kind: 'message', id, sender, cid: id, body, sent_at: new Date().toISOString() }
    wire?.send(JSON.stringify({ type: 'frames', room, prev: position, items: [item] }))
  }

  /** @param {string} room @param {string} sender @param {number} perSecond @param {number} seconds */
  return async (room, sender, perSecond, seconds) => {
    const started = performance.now()
    for (let sent = 0; sent < perSecond * seconds; ) {
      const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - started) / 1_000) * perSecond))
      for (; sent < due; sent++) message(room, sender)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    return (performance.now() - started) / 1_000
  }
}
