// Turns a run of messages into what stands on the page: days, pauses, the unread line, notes and
// clusters of one author.
import type { Message } from '@/api'
import { dayOf } from './time'

/** A message as it is drawn; one that waits in the outbox has no `seq` yet. */
export interface Drawn {
  key: string
  seq: number | null
  message: Message
  /** State of a message in the outbox; null once the server has it. */
  outbox: 'sending' | 'sent' | 'failed' | null
  error?: string
}

export interface Row extends Drawn {
  at: Date
  /** Whether the clock stands beside it without being asked for. */
  clock: boolean
}

export type Block =
  | { type: 'day'; key: string; at: Date }
  | { type: 'gap'; key: string; at: Date }
  | { type: 'unread'; key: string; count: number }
  | { type: 'note'; key: string; row: Row }
  | {
      type: 'cluster'
      key: string
      author_id: number
      own: boolean
      /** The rest of a long cluster: no face, no name, no space above. */
      continued: boolean
      /** Whether the cluster ends here and is not continued by the next block. */
      closes: boolean
      rows: Row[]
    }

export interface Divider {
  /** The line stands before the first message of others above this seq … */
  after: number
  /** … and says how many there are, more than are loaded perhaps. */
  count: number
}

const clusterGap_ms = 5 * 60_000
const pause_ms = 30 * 60_000
/** A block enters and leaves the document as a whole, so a monologue is cut now and then. */
const blockRows = 20

export function buildBlocks(
  messages: readonly Drawn[],
  me: number,
  divider: Divider | null,
): Block[] {
  const blocks: Block[] = []
  let previous: Row | null = null
  let minuteShown = NaN
  let dividerDrawn = false
  for (const drawn of messages) {
    const at = new Date(drawn.message.created_at)
    const row: Row = { ...drawn, at, clock: false }
    const { message } = drawn
    let cut = false
    if (!previous || dayOf(previous.at) !== dayOf(at)) {
      blocks.push({ type: 'day', key: `day-${dayOf(at)}`, at })
      minuteShown = NaN
      cut = true
    } else if (at.getTime() - previous.at.getTime() > pause_ms) {
      blocks.push({ type: 'gap', key: `gap-${row.key}`, at })
      minuteShown = minuteOf(at)
      cut = true
    }
    if (divider && !dividerDrawn && isUnread(drawn, me, divider.after)) {
      blocks.push({ type: 'unread', key: 'unread', count: divider.count })
      dividerDrawn = true
      cut = true
    }
    const last = blocks[blocks.length - 1]
    if (message.kind === 'system') {
      blocks.push({ type: 'note', key: row.key, row })
    } else if (
      !cut &&
      previous &&
      last?.type === 'cluster' &&
      last.author_id === message.author_id &&
      at.getTime() - previous.at.getTime() <= clusterGap_ms
    ) {
      // Cut by sequence number, so that loading older messages moves no border.
      if (drawn.seq !== null && drawn.seq % blockRows === 0) {
        blocks.push({ ...last, key: row.key, continued: true, rows: [row] })
        last.closes = false
      } else last.rows.push(row)
    } else {
      row.clock = minuteOf(at) !== minuteShown
      minuteShown = minuteOf(at)
      blocks.push({
        type: 'cluster',
        key: row.key,
        author_id: message.author_id,
        own: message.author_id === me,
        continued: false,
        closes: true,
        rows: [row],
      })
    }
    previous = row
  }
  return blocks
}

function minuteOf(at: Date): number {
  return Math.floor(at.getTime() / 60_000)
}

function isUnread({ seq, message }: Drawn, me: number, after: number): boolean {
  return seq !== null && seq > after && message.author_id !== me && message.kind !== 'system'
}
