import { describe, expect, it } from 'vitest'
import type { Message } from '@/api'
import { aMessage } from '@/testing/factory'
import { buildBlocks, type Divider, type Drawn } from './blocks'

function drawn(minutes: number, author_id: number, change: Partial<Message> = {}): Drawn {
  const seq = change.seq ?? minutes + 1
  const created_at = new Date(2026, 2, 12, 9, minutes).toISOString()
  return {
    key: `k${seq}`,
    seq,
    message: aMessage(seq, { author_id, created_at, ...change }),
    outbox: null,
  }
}

function check(list: Drawn[], divider: Divider | null = null) {
  return buildBlocks(list, 1, divider).map((block) => {
    if (block.type !== 'cluster') return block.type
    return `${block.own ? 'me' : block.author_id}: ${block.rows.map((row) => row.key).join(' ')}`
  })
}

describe('blocks', () => {
  it('begin with the day and join messages of one author within five minutes', () => {
    expect(check([drawn(0, 2), drawn(5, 2), drawn(11, 2), drawn(12, 1)])).toEqual([
      'day',
      '2: k1 k6',
      '2: k12',
      'me: k13',
    ])
  })

  it('show a pause of more than half an hour', () => {
    expect(check([drawn(0, 2), drawn(30, 2), drawn(61, 2)])).toEqual([
      'day',
      '2: k1',
      '2: k31',
      'gap',
      '2: k62',
    ])
  })

  it('show each local day once', () => {
    const late = drawn(0, 2)
    const next = drawn(24 * 60, 2)
    expect(check([late, next])).toEqual(['day', '2: k1', 'day', '2: k1441'])
  })

  it('break at the unread line, which stands before the first message of others', () => {
    const list = [drawn(0, 2), drawn(1, 1), drawn(2, 2), drawn(3, 2)]
    expect(check(list, { after: 1, count: 2 })).toEqual([
      'day',
      '2: k1',
      'me: k2',
      'unread',
      '2: k3 k4',
    ])
  })

  it('let a system note end a cluster', () => {
    const note = drawn(1, 2, { kind: 'system' })
    expect(check([drawn(0, 2), note, drawn(2, 2)])).toEqual(['day', '2: k1', 'note', '2: k3'])
  })

  it('cut a monologue by sequence number, so that older pages move no border', () => {
    const list = Array.from({ length: 30 }, (_, at) =>
      drawn(0, 2, { seq: at + 5, created_at: new Date(2026, 2, 12, 9, 0, at).toISOString() }),
    )
    const whole = buildBlocks(list, 1, null).filter((block) => block.type === 'cluster')
    const tail = buildBlocks(list.slice(10), 1, null).filter((block) => block.type === 'cluster')
    expect(whole.map((block) => block.rows.length)).toEqual([15, 15])
    expect(whole[0]).toMatchObject({ closes: false, continued: false })
    expect(whole[1]).toMatchObject({ closes: true, continued: true })
    expect(tail.at(-1)!.key).toBe(whole.at(-1)!.key)
  })

  it('show the clock on the first line of a cluster, once a minute', () => {
    const blocks = buildBlocks([drawn(0, 2), drawn(0, 1, { seq: 2 }), drawn(1, 2)], 1, null)
    const clocks = blocks.flatMap((block) =>
      block.type === 'cluster' ? block.rows.map((row) => row.clock) : [],
    )
    expect(clocks).toEqual([true, false, true])
  })
})
