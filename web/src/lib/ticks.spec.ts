import { describe, expect, it } from 'vitest'
import { aMember, aUser } from '@/testing/factory'
import { tickState } from './ticks'

const mine = { seq: 10, author_id: 1 }
const me = aMember(1, { delivered_seq: 10, seen_seq: 10 })

function check(
  name: string,
  members: Parameters<typeof tickState>[1],
  state: string,
  count = members.length,
) {
  it(name, () => expect(tickState(mine, members, count)).toBe(state))
}

describe('the state of one’s own message', () => {
  check('is sent without recipients', [me], 'sent')
  check('is sent while one has not received it', [me, aMember(2, { delivered_seq: 9 })], 'sent')
  check('is delivered when all have it', [me, aMember(2, { delivered_seq: 10 })], 'delivered')
  check(
    'is delivered while one has not seen it',
    [me, aMember(2, { delivered_seq: 12, seen_seq: 12 }), aMember(3, { delivered_seq: 10 })],
    'delivered',
  )
  check(
    'is seen when all have seen it',
    [me, aMember(2, { delivered_seq: 10, seen_seq: 10 })],
    'seen',
  )
  check(
    'does not count those who joined later',
    [me, aMember(2, { delivered_seq: 10, seen_seq: 10 }), aMember(3, { joined_seq: 10 })],
    'seen',
  )
  check(
    'does not count bots, deleted and suspended accounts',
    [
      me,
      aMember(2, { delivered_seq: 10 }),
      aMember(3, { user: aUser(3, { kind: 'bot' }) }),
      aMember(4, { user: aUser(4, { deleted: true }) }),
      aMember(5, { user: aUser(5, { suspended: true }) }),
    ],
    'delivered',
  )
  check(
    'is never seen by those who keep that to themselves',
    [me, aMember(2, { delivered_seq: 10, seen_seq: null })],
    'delivered',
  )
  check(
    'is seen when all have who share it',
    [
      me,
      aMember(2, { delivered_seq: 10, seen_seq: null }),
      aMember(3, { delivered_seq: 10, seen_seq: 10 }),
    ],
    'seen',
  )
  it('is sent for ever when it was said to somebody who blocks us', () => {
    const members = [me, aMember(2, { delivered_seq: 10, seen_seq: 10 })]
    expect(tickState({ ...mine, receipts: false }, members, 2)).toBe('sent')
  })
  check(
    'stays sent where not all members are known',
    [me, aMember(2, { delivered_seq: 10 })],
    'sent',
    300,
  )
})
