import { arr, bool, either, type Infer, int, nul, obj, oneOf, opt, record, type Shape, str } from '../api/shape'
import { user } from '../api/types'

export const PROTOCOL_VERSION = 1
export const SUBPROTOCOL = 'parley.v1'

export const item = obj({
  position: int,
  /** Not a closed set: a kind of a newer server must not cost the frames around it. */
  kind: str,
  id: str,
  sender: opt(str),
  cid: opt(str),
  target: opt(str),
  body: opt(either(str, record)),
  sent_at: str,
  rev: opt(int),
  seq: opt(int),
  imported: opt(bool),
  edited: opt(bool),
  deleted: opt(bool),
})
export type Item = Infer<typeof item>

const tally = obj({ target: str, position: int, up: int, down: int, mine: opt(oneOf(-1, 0, 1)) })
export type Tally = Infer<typeof tally>
export const tallies = obj({ items: arr(tally), as_of: int })
export type Tallies = Infer<typeof tallies>

const type = <const T extends string>(name: T) => oneOf(name)
const rows = { room: str, items: arr(item), users: arr(user) }
const answer = { ref: int, cid: str }

/** Every frame the server sends, as docs/api.md lists them. */
const shapes = {
  welcome: obj({
    type: type('welcome'),
    ref: int,
    version: int,
    user,
    session_id: str,
    gateway: str,
    server_time: str,
    heartbeat_ms: int,
    limits: obj({ body_code_points: int, page: int, page_max: int, subscriptions: int }),
    resume: oneOf('none', 'accepted', 'resync_required'),
  }),
  subscribed: obj({
    type: type('subscribed'),
    ref: int,
    ...rows,
    start: int,
    cursor: int,
    has_older: bool,
    last_seq: opt(int),
    tallies: opt(tallies),
    catching_up: bool,
  }),
  replay: obj({
    type: type('replay'),
    ...rows,
    prev: int,
    cursor: int,
    more: bool,
    last_seq: opt(int),
    catching_up: bool,
  }),
  resync: obj({
    type: type('resync'),
    ref: opt(int),
    ...rows,
    start: int,
    cursor: int,
    has_older: bool,
    last_seq: opt(int),
    tallies: opt(tallies),
    code: str,
  }),
  frames: obj({ type: type('frames'), room: str, prev: int, items: arr(item) }),
  page: obj({
    type: type('page'),
    ref: int,
    ...rows,
    start: int,
    end: int,
    has_older: bool,
    has_newer: bool,
    tallies: opt(tallies),
  }),
  unsubscribed: obj({ type: type('unsubscribed'), ref: opt(int), room: str, code: opt(nul(str)) }),
  ack: obj({ type: type('ack'), ...answer, id: str, at_most: int }),
  rejected: obj({
    type: type('rejected'),
    ...answer,
    code: str,
    final: opt(bool),
    retry_after_ms: opt(int),
  }),
  unknown: obj({ type: type('unknown'), ...answer, retry_after_ms: opt(int), final: opt(bool) }),
  cursors: obj({ type: type('cursors'), items: arr(obj({ room: str, cursor: int })), token: str }),
  stored: obj({ type: type('stored'), room: str, cursor: int }),
  tallies: obj({ type: type('tallies'), room: str, items: arr(tally), as_of: int }),
  voided: obj({ type: type('voided'), room: str, positions: arr(int) }),
  room_activity: obj({ type: type('room_activity'), room: str, position: int, seq: opt(int) }),
  presence: obj({ type: type('presence'), room: str, online: int, users: opt(arr(str)) }),
  read: obj({ type: type('read'), room: str, seq: int }),
  drain: obj({ type: type('drain'), reconnect_after_ms: int }),
  error: obj({
    type: type('error'),
    ref: opt(int),
    code: str,
    detail: opt(str),
    path: opt(str),
    retry_after_ms: opt(int),
  }),
}

type Shapes = typeof shapes
export type ServerFrame = { [K in keyof Shapes]: Infer<Shapes[K]> }[keyof Shapes]
export type FrameOf<K extends keyof Shapes> = Infer<Shapes[K]>

/** The frame in this text, or null: a kind that this version does not know, or a shape that it must not act on. */
export function parseFrame(text: string): ServerFrame | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (!record(value) || typeof value.type !== 'string' || !Object.hasOwn(shapes, value.type)) return null
  const shape = shapes[value.type as keyof Shapes] as Shape<ServerFrame>
  return shape(value) ? value : null
}

export type ClientFrame =
  | { type: 'hello'; version: number; resume?: Resume }
  | { type: 'subscribe'; room: string; limit?: number }
  | { type: 'unsubscribe'; room: string }
  | { type: 'send'; room: string; cid: string; base: number; body: string; retry?: boolean }
  | { type: 'vote'; room: string; cid: string; base: number; target: string; value: -1 | 0 | 1; retry?: boolean }
  | { type: 'read'; room: string; seq: number; back?: boolean }
  | { type: 'drop'; room: string; cid: string; base: number }
  | { type: 'history'; room: string; limit?: number; before?: number; after?: number; around?: string }

/** Leaving a room in which nobody is changes nothing, and is answered like any other request. */
export const PROBE = { type: 'unsubscribe', room: '00000000-0000-0000-0000-000000000000' } satisfies ClientFrame

export interface Resume {
  token: string
  rooms: { room: string; cursor: number }[]
}
