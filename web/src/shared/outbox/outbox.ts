import { createStore, type StoreApi } from 'zustand/vanilla'
import type { ClientFrame, Item, ServerFrame } from '../socket/protocol'
import type { OutboxDb } from './db'
import {
  type Answer,
  answered,
  arrived,
  begun,
  composed,
  counted,
  discarded,
  type Entry,
  interrupted,
  nextStep,
  outvoted,
  passed,
  revived,
  storedVotes,
  type VoteValue,
} from './machine'

/** The server answers within 2 s; past this the answer itself was lost, and a retry will tell. */
const ANSWER_MS = 6_000

/** Tallies are gathered for a quarter of a second; this long after the store a vote is counted if it ever will be. */
const TALLY_MS = 2_000

export interface OutboxDeps {
  db: OutboxDb
  me: string
  owner: string
  newCid(): string
  request(frame: ClientFrame, deadlineMs: number): Promise<ServerFrame>
  /** Only a room that has been resumed may send: first the replay strikes what had arrived. */
  isLive(room: string): boolean
}

/** Runs the state machine: keeps it in the database, sends in order, and shows it to the screen. */
export class Outbox {
  readonly store: StoreApi<{ entries: readonly Entry[] }> = createStore(() => ({ entries: [] as readonly Entry[] }))
  private order = 0
  private attempts = 0
  /** The newest attempt of each entry: the answer to an earlier one must not be taken for its own. */
  private readonly underWay = new Map<string, number>()
  private readonly timers = new Map<string, ReturnType<typeof setTimeout>>()

  constructor(private readonly deps: OutboxDeps) {}

  private get entries(): readonly Entry[] {
    return this.store.getState().entries
  }

  rooms(): string[] {
    return [...new Set(this.entries.filter((entry) => entry.state !== 'failed').map((entry) => entry.room))]
  }

  /** Takes over what a closed tab, or this one before a reload, left behind. */
  async adopt(isAbandoned: (owner: string) => Promise<boolean>): Promise<void> {
    const held = new Set(this.entries.map((entry) => entry.cid))
    for (const left of await this.deps.db.all()) {
      if (held.has(left.cid) || (left.owner !== this.deps.owner && !(await isAbandoned(left.owner)))) continue
      this.order = Math.max(this.order, left.order)
      const next = interrupted(left)
      this.change(left.cid, next && { ...next, owner: this.deps.owner, not_before: 0 })
    }
  }

  send(room: string, body: string, base: number): void {
    this.order = Math.max(this.order + 1, Date.now())
    const { owner, newCid } = this.deps
    const entry = composed({ room, body, base, cid: newCid(), owner, order: this.order }, Date.now())
    this.change(entry.cid, entry)
    void this.run(room)
  }

  /** Takes the place of what I voted before on this message, as far as it has not arrived. */
  vote(room: string, message: string, value: VoteValue, base: number): void {
    this.order = Math.max(this.order + 1, Date.now())
    const { owner, newCid } = this.deps
    for (const entry of this.entries) {
      if (entry.vote?.message === message) this.change(entry.cid, outvoted(entry))
    }
    const vote = { message, value }
    const fields = { room, body: '', base, cid: newCid(), owner, order: this.order, vote }
    const entry = composed(fields, Date.now())
    this.change(entry.cid, entry)
    void this.run(room)
  }

  retry(cid: string, base: number): void {
    const entry = this.find(cid)
    if (entry?.state !== 'failed') return
    const again = revived(entry, { cid: this.deps.newCid(), base })
    if (again.cid !== cid) this.change(cid, null)
    this.change(again.cid, again)
    void this.run(entry.room)
  }

  discard(cid: string): void {
    const entry = this.find(cid)
    if (!entry || entry.state === 'accepted') return
    this.change(cid, discarded(entry))
    void this.run(entry.room)
  }

  /** After every change of a room's timeline: strikes what it shows, then goes on with the rest. */
  onTimeline(room: string, items: readonly Item[], cursor: number): void {
    const gone = [...arrived(this.entries, room, items, this.deps.me), ...passed(this.entries, room, cursor)]
    for (const entry of gone) this.change(entry.cid, null)
    void this.run(room)
  }

  /** After tallies came: my votes that they contain are no longer on their way. */
  onTallies(asOf: (message: string) => number | undefined): void {
    for (const entry of counted(this.entries, asOf)) this.change(entry.cid, null)
  }

  /** The tally of a vote that changed nothing does not come; one that is about to come must find the vote still shown. */
  onStored(room: string, cursor: number): void {
    const stored = storedVotes(this.entries, room, cursor)
    if (stored.length === 0) return
    setTimeout(() => {
      for (const { cid } of stored) if (this.find(cid)) this.change(cid, null)
    }, TALLY_MS)
  }

  onDisconnect(): void {
    for (const entry of this.entries) {
      const next = interrupted(entry)
      if (next !== entry) this.change(entry.cid, next)
    }
  }

  /** Everything that is still unsent, for good: by signing out. */
  clear(): void {
    for (const entry of this.entries) this.change(entry.cid, null)
  }

  stop(): void {
    for (const timer of this.timers.values()) clearTimeout(timer)
  }

  private async run(room: string): Promise<void> {
    clearTimeout(this.timers.get(room))
    if (!this.deps.isLive(room)) return
    const step = nextStep(this.entries, room, Date.now())
    if (!step) return
    if (step.do === 'wait') {
      this.timers.set(
        room,
        setTimeout(() => void this.run(room), step.ms),
      )
      return
    }
    const entry = begun(step.entry)
    const attempt = ++this.attempts
    this.underWay.set(entry.cid, attempt)
    await this.change(entry.cid, entry)
    if (!this.find(entry.cid)) return void this.run(room)
    const answer = await this.ask(step.do, entry)
    if (this.underWay.get(entry.cid) !== attempt) return
    this.underWay.delete(entry.cid)
    const now = this.find(entry.cid)
    // Struck by its own frame meanwhile, or interrupted by a lost connection: then this answer says nothing more.
    if (now?.state === 'sending') this.change(now.cid, answered(now, answer, Date.now()))
    void this.run(room)
  }

  private async ask(how: 'send' | 'retry' | 'drop', entry: Entry): Promise<Answer> {
    const frame = frameOf(how, entry)
    try {
      const answer = await this.deps.request(frame, ANSWER_MS)
      if (answer.type === 'ack' || answer.type === 'rejected' || answer.type === 'unknown') return answer
      // A malformed first attempt is answered by `error`: nothing was appended. About a retry it proves nothing.
      if (answer.type !== 'error') return { type: 'unknown' }
      if (how === 'send') return { type: 'rejected', code: answer.code }
      return { type: 'unknown', retry_after_ms: answer.retry_after_ms }
    } catch {
      return { type: 'unknown' }
    }
  }

  private find(cid: string): Entry | undefined {
    return this.entries.find((entry) => entry.cid === cid)
  }

  /** The screen changes at once; the promise is for the database. */
  private change(cid: string, next: Entry | null): Promise<void> {
    const others = this.entries.filter((entry) => entry.cid !== cid)
    const entries = next ? [...others, next].sort((a, b) => a.order - b.order) : others
    this.store.setState({ entries })
    const kept = next && next.state !== 'accepted' && !(next.vote && next.state === 'failed')
    const written = kept ? this.deps.db.put(next) : this.deps.db.remove(cid)
    // A full or blocked disk must not stop a message that could be sent.
    return written.catch(() => {})
  }
}

function frameOf(how: 'send' | 'retry' | 'drop', { room, cid, base, body, vote }: Entry): ClientFrame {
  if (how === 'drop') return { type: 'drop', room, cid, base }
  const again = how === 'retry' && { retry: true }
  if (vote) return { type: 'vote', room, cid, base, target: vote.message, value: vote.value, ...again }
  return { type: 'send', room, cid, base, body, ...again }
}
