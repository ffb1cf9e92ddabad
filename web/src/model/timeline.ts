// The messages held of one conversation, and the one rule by which they change: an object gives
// way only to a version with a higher rev, so any order and any repetition ends in the same state.
import type { Changes, HiddenMessage, Message, MessagePage } from '@/api'
import { addRange, type Range } from '@/lib/ranges'

export interface Timeline {
  /** K: every change up to this rev is applied. */
  rev: number
  ranges: Range[]
  /** The lowest seq there is for this member, once it is known. */
  floor: number | null
  messages: Map<number, Message>
}

/** What was asked for when a page came, so that its edges are known exactly. */
export type PageRequest = { before?: number; after?: number; around?: number }

export function emptyTimeline(rev: number): Timeline {
  return { rev, ranges: [], floor: null, messages: new Map() }
}

/** Keeps the message unless a newer version is held; says whether anything changed. */
function put(timeline: Timeline, message: Message | HiddenMessage): boolean {
  if ('hidden' in message) return timeline.messages.delete(message.seq)
  const held = timeline.messages.get(message.seq)
  if (held && held.rev >= message.rev) return false
  timeline.messages.set(message.seq, message)
  return true
}

/** A page of history. Returns a new timeline that shares the map of messages. */
export function applyPage(
  timeline: Timeline | null,
  page: MessagePage,
  asked: PageRequest,
): Timeline {
  const next = timeline ? { ...timeline } : emptyTimeline(page.last_rev)
  for (const message of page.items) put(next, message)
  const first = page.items[0]?.seq
  const last = page.items[page.items.length - 1]?.seq
  if (first !== undefined && last !== undefined) {
    const end = asked.before !== undefined ? asked.before - 1 : last
    const start = asked.after !== undefined ? asked.after + 1 : first
    next.ranges = addRange(next.ranges, Math.min(start, first), Math.max(end, last))
  }
  if (!page.has_more_before && asked.after === undefined) {
    next.floor = first ?? asked.before ?? page.last_seq + 1
  }
  // The page is older than what is applied here: changes of its messages in between are missing.
  // Stepping back makes the next catch-up fetch them once more, which costs nothing but a request.
  next.rev = Math.min(next.rev, page.last_rev)
  return next
}

/** A message that follows rev by rev. The caller has checked that `rev` is the next one. */
export function applyNext(timeline: Timeline, rev: number, message?: Message): Timeline {
  const next = { ...timeline, rev: Math.max(timeline.rev, rev) }
  if (message) {
    put(next, message)
    next.ranges = addRange(next.ranges, message.seq, message.seq)
  }
  return next
}

/** The answer to "what changed after rev K". */
export function applyChanges(timeline: Timeline, changes: Changes): Timeline {
  if (changes.reset) {
    const fresh = emptyTimeline(changes.upto_rev)
    const seqs = changes.items.map((message) => message.seq)
    for (const message of changes.items) put(fresh, message)
    if (seqs.length) fresh.ranges = addRange([], Math.min(...seqs), Math.max(...seqs))
    fresh.floor = timeline.floor
    return fresh
  }
  const next = { ...timeline, rev: Math.max(timeline.rev, changes.upto_rev) }
  for (const message of changes.items) {
    // One outside the held ranges becomes a range of its own until paging reaches it.
    put(next, message)
    next.ranges = addRange(next.ranges, message.seq, message.seq)
  }
  return next
}

export function messagesIn(timeline: Timeline, range: Range): Message[] {
  const result: Message[] = []
  for (let seq = range[0]; seq <= range[1]; seq += 1) {
    const message = timeline.messages.get(seq)
    if (message) result.push(message)
  }
  return result
}

/** The number of unread messages above `seen`, or null where a hole makes it unknowable. */
export function countUnread(
  timeline: Timeline,
  seen: number,
  last: number,
  me: number,
): number | null {
  if (seen >= last) return 0
  const range = timeline.ranges.find(([first, end]) => first <= seen + 1 && last <= end)
  if (!range) return null
  let count = 0
  for (let seq = seen + 1; seq <= last; seq += 1) {
    const message = timeline.messages.get(seq)
    if (message && countsAsUnread(message, me)) count += 1
  }
  return count
}

export function countsAsUnread(message: Message, me: number): boolean {
  return (
    message.author_id !== me &&
    message.kind !== 'system' &&
    message.in_timeline &&
    !message.deleted_at
  )
}
