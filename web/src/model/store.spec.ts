import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Config, ConversationEvent, ListItem, Message, MessagePage } from '@/api'
import { aMe, aMember, aMessage, anItem } from '@/testing/factory'
import { useMessenger } from './store'

function anEvent(message: Message): ConversationEvent {
  return {
    name: 'message.created',
    conversation_id: message.conversation_id,
    rev: message.rev,
    message,
  }
}

function aPage(messages: Message[], last_rev: number): MessagePage {
  return {
    items: messages,
    has_more_before: false,
    has_more_after: false,
    last_seq: messages[messages.length - 1]?.seq ?? 0,
    last_rev,
  }
}

/** The same shuffle for the same seed, so that a failure can be repeated. */
function shuffled<T>(list: T[], seed: number): T[] {
  const result = [...list]
  for (let at = result.length - 1; at > 0; at -= 1) {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
    const other = seed % (at + 1)
    ;[result[at], result[other]] = [result[other]!, result[at]!]
  }
  return result
}

function aStore() {
  setActivePinia(createPinia())
  const store = useMessenger()
  store.me = aMe(1)
  return store
}

function state(store: ReturnType<typeof aStore>) {
  const timeline = store.timelines.get(7)!
  const item = store.items.get(7)!
  return {
    rev: timeline.rev,
    ranges: timeline.ranges,
    bodies: [...timeline.messages.values()]
      .sort((a, b) => a.seq - b.seq)
      .map((message) => message.body),
    unread: item.unread_count,
    last: item.last_message?.seq,
    last_rev: item.conversation.last_rev,
  }
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

describe('the number on the tab', () => {
  it('counts neither muted nor archived conversations, but mentions in muted ones', () => {
    const store = aStore()
    const put = (id: number, unread_mentions: number, my: Partial<ListItem['my']>) => {
      const item = anItem(5)
      store.applyItem({
        ...item,
        conversation: { ...item.conversation, id },
        my: { ...item.my, ...my },
        unread_mentions,
      })
    }
    vi.setSystemTime('2026-03-12T12:00:00.000Z')
    put(7, 1, {})
    expect(store.unreadTotal).toBe(5)
    put(8, 2, { muted_until: '2026-03-13T12:00:00.000Z' })
    expect(store.unreadTotal).toBe(7)
    put(9, 1, { archived: true })
    expect(store.unreadTotal).toBe(7)
    put(10, 1, { muted_until: '2026-03-11T12:00:00.000Z' })
    expect(store.unreadTotal).toBe(12)
  })
})

describe('events', () => {
  const first = [1, 2, 3].map((seq) => aMessage(seq))
  const later = [4, 5, 6, 7, 8].map((seq) => aMessage(seq))

  function run(events: ConversationEvent[]) {
    const store = aStore()
    store.applyItem(anItem(3))
    store.applyPage(7, aPage(first, 3), {})
    for (const event of events) store.applyEvent(event)
    return state(store)
  }

  it('end in the same state in any order and with any repetition', () => {
    const events = later.map(anEvent)
    const expected = run(events)
    expect(expected).toMatchObject({ rev: 8, ranges: [[1, 8]], unread: 8, last: 8, last_rev: 8 })
    for (let seed = 1; seed <= 60; seed += 1) {
      const noisy = shuffled([...events, ...events, ...events], seed)
      expect(run(noisy), `seed ${seed}`).toEqual(expected)
    }
  })

  it('are dropped when their rev is known', () => {
    const store = aStore()
    store.applyItem(anItem(3))
    store.applyPage(7, aPage(first, 3), {})
    store.applyEvent(anEvent(aMessage(3, { body: 'An older body' })))
    expect(store.timelines.get(7)!.messages.get(3)!.body).toBe('Message 3')
  })

  it('wait for a missing one, which is fetched after 300 ms', () => {
    const store = aStore()
    const repair = vi.fn(async () => {})
    store.wire({ repair, changed: () => {} })
    store.applyItem(anItem(3))
    store.applyPage(7, aPage(first, 3), {})
    store.applyEvent(anEvent(later[1]!))
    expect(state(store).rev).toBe(3)
    vi.advanceTimersByTime(299)
    expect(repair).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(repair).toHaveBeenCalledWith(7)
    store.applyChanges(7, {
      items: [later[0]!, later[1]!],
      conversation: null,
      members: null,
      upto_rev: 5,
      has_more: false,
      reset: false,
    })
    store.applyItem(anItem(5))
    expect(state(store)).toMatchObject({ rev: 5, ranges: [[1, 5]], last: 5, unread: 5 })
  })

  it('wait for a missing one, and for who types, as long as the server says', () => {
    const store = aStore()
    const limits = { gap_wait_ms: 900, typing_expiry_s: 2 }
    store.config = { limits } as unknown as Config
    const repair = vi.fn(async () => {})
    store.wire({ repair, changed: () => {} })
    store.applyItem(anItem(3))
    store.applyPage(7, aPage(first, 3), {})
    store.applyEvent(anEvent(later[1]!))
    store.noteTyping(7, 2, false)
    vi.advanceTimersByTime(899)
    expect(repair).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(repair).toHaveBeenCalledWith(7)
    expect(store.typing.get(7)?.size).toBe(1)
    vi.advanceTimersByTime(1100)
    expect(store.typing.get(7)?.size ?? 0).toBe(0)
  })

  it('need no fetch when the missing one comes in time', () => {
    const store = aStore()
    const repair = vi.fn(async () => {})
    store.wire({ repair, changed: () => {} })
    store.applyItem(anItem(3))
    store.applyEvent(anEvent(later[1]!))
    store.applyEvent(anEvent(later[0]!))
    vi.advanceTimersByTime(1000)
    expect(repair).not.toHaveBeenCalled()
    expect(store.items.get(7)!.unread_count).toBe(5)
  })

  it('are held back while a synchronisation runs', () => {
    const store = aStore()
    store.applyItem(anItem(3))
    store.hold()
    store.applyEvent(anEvent(later[0]!))
    store.applyEvent(anEvent(later[1]!))
    expect(store.items.get(7)!.conversation.last_seq).toBe(3)
    store.applyItem(anItem(4))
    store.release()
    expect(store.items.get(7)!).toMatchObject({ unread_count: 5, last_message: { seq: 5 } })
  })
})

describe('pages', () => {
  it('join to one range without holes', () => {
    const store = aStore()
    store.applyItem(anItem(6))
    const page = (from: number, to: number) =>
      Array.from({ length: to - from + 1 }, (_, at) => aMessage(from + at))
    store.applyPage(7, { ...aPage(page(5, 6), 6), has_more_before: true }, {})
    store.applyPage(7, { ...aPage(page(3, 4), 6), has_more_before: true }, { before: 5 })
    store.applyPage(7, aPage(page(1, 2), 6), { before: 3 })
    expect(store.timelines.get(7)).toMatchObject({ ranges: [[1, 6]], floor: 1, rev: 6 })
  })

  it('that are older than what is applied make the catch-up fetch the difference', () => {
    const store = aStore()
    store.applyItem(anItem(6))
    store.applyPage(7, { ...aPage([aMessage(6)], 6), has_more_before: true }, {})
    store.applyPage(7, { ...aPage([aMessage(5)], 4), has_more_before: true }, { before: 6 })
    expect(store.timelines.get(7)!.rev).toBe(4)
  })
})

describe('receipts', () => {
  it('follow the switch that hides what was seen', () => {
    const store = aStore()
    const shared = (seen_seq: number | null) =>
      anItem(5, { members: [aMember(1), aMember(2, { delivered_seq: 5, seen_seq })] })
    const seen = () => store.items.get(7)!.members.find((member) => member.user.id === 2)!.seen_seq
    store.applyItem(shared(4))
    store.applyReceipts([{ conversation_id: 7, user_id: 2, delivered_seq: 5, seen_seq: null }])
    expect(seen()).toBeNull()
    store.applyItem(shared(5))
    expect(seen()).toBe(5)
    store.applyItem(shared(null))
    expect(seen()).toBeNull()
  })

  it('move watermarks up only, in any order', () => {
    const store = aStore()
    store.applyItem(anItem(5))
    const receipts = [
      { conversation_id: 7, user_id: 2, delivered_seq: 5, seen_seq: 4 },
      { conversation_id: 7, user_id: 2, delivered_seq: 3, seen_seq: 2 },
      { conversation_id: 7, user_id: 2, delivered_seq: 4, seen_seq: 0 },
    ]
    for (let seed = 1; seed < 8; seed += 1) store.applyReceipts(shuffled(receipts, seed))
    const peer = store.items.get(7)!.members.find((member) => member.user.id === 2)
    expect(peer).toMatchObject({ delivered_seq: 5, seen_seq: 4 })
  })

  it('of one’s own bring the server’s unread number, and an older answer does not bring it back', () => {
    const store = aStore()
    store.applyItem(anItem(5))
    store.applyReceipts([{ conversation_id: 7, user_id: 1, seen_seq: 4, unread_count: 1 }])
    expect(store.items.get(7)!.unread_count).toBe(1)
    store.applyItem(anItem(5))
    expect(store.items.get(7)!).toMatchObject({ unread_count: 1, my: { seen_seq: 4 } })
  })
})

describe('an own message', () => {
  it('is matched by its client_id, whether the event or the answer comes first', () => {
    const store = aStore()
    store.applyItem(anItem(3))
    store.outbox = [
      {
        client_id: 'mine',
        conversation_id: 7,
        body: 'Hello',
        reply_to: null,
        created_at: new Date().toISOString(),
        failures: 0,
        state: 'queued',
      },
    ]
    const message = aMessage(4, { author_id: 1, client_id: 'mine' })
    store.applyEvent(anEvent(message))
    store.applyEvent(anEvent(message))
    expect(store.outbox).toMatchObject([{ state: 'sent', message: { seq: 4 } }])
    expect(store.items.get(7)!).toMatchObject({ unread_count: 0, last_message: { seq: 4 } })
  })
})
