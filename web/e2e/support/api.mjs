/** What a test needs to exist but is not about: made through REST, as any client could. */

export const PASSWORD = 'seven quiet lamps 42'

/** @typedef {{ id: string, user_name: string, display_name: string }} User */
/** @typedef {{ id: string, name: string }} Room */

/**
 * @param {string} url
 * @param {string} path
 * @param {{ method?: string, token?: string, body?: unknown }} [options]
 */
async function call(url, path, { method = 'POST', token, body } = {}) {
  const response = await fetch(`${url}/api/v1${path}`, {
    method,
    headers: { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) },
    body: body === undefined ? undefined : JSON.stringify(body),
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : null
}

/** Somebody without a browser. */
export class Client {
  /**
   * @param {string} url
   * @param {string} token
   * @param {User} user
   */
  constructor(url, token, user) {
    this.url = url
    this.token = token
    this.user = user
  }

  /**
   * @param {string} url
   * @param {string} userName
   * @param {string} [displayName]
   */
  static async signUp(url, userName, displayName = userName) {
    const body = { user_name: userName, password: PASSWORD, display_name: displayName, session: 'token' }
    const session = await call(url, '/auth/sign-up', { body })
    return new Client(url, session.access_token, session.user)
  }

  /**
   * @param {string} name
   * @param {{ topic?: string, visibility?: 'public' | 'private' }} [options]
   * @returns {Promise<Room>}
   */
  createRoom(name, { topic, visibility = 'public' } = {}) {
    return call(this.url, '/rooms', { token: this.token, body: { name, topic, visibility } })
  }

  /**
   * Waits until the room's timeline says that so many have joined since its creation.
   * @param {string} room
   * @param {number} count
   */
  async joined(room, count) {
    for (const until = Date.now() + 15_000; Date.now() < until; ) {
      const { items } = await call(this.url, `/rooms/${room}/messages`, { method: 'GET', token: this.token })
      const events = items.filter((/** @type {any} */ item) => item.kind === 'system' && item.body.event === 'joined')
      if (events.length >= count) return
      await new Promise((done) => setTimeout(done, 100))
    }
    throw new Error(`nobody joined ${room} in time`)
  }

  /** @param {string} room */
  join(room) {
    return call(this.url, `/rooms/${room}/join`, { token: this.token })
  }

  /**
   * @param {string} room
   * @param {string} body
   */
  async say(room, body) {
    const message = { cid: crypto.randomUUID(), body }
    const answer = await call(this.url, `/rooms/${room}/messages`, { token: this.token, body: message })
    if (answer.outcome === 'unknown') throw new Error(`the outcome of “${body}” is unknown`)
    return /** @type {string} */ (answer.id)
  }

  /**
   * @param {string} room
   * @param {string} message
   * @param {-1 | 0 | 1} value
   */
  vote(room, message, value) {
    const body = { cid: crypto.randomUUID(), value }
    return call(this.url, `/rooms/${room}/messages/${message}/vote`, { method: 'PUT', token: this.token, body })
  }

  /** @param {Record<string, string>} change */
  update(change) {
    return call(this.url, '/me', { method: 'PATCH', token: this.token, body: change })
  }
}
