import { createPinia, setActivePinia } from 'pinia'
import { expect, it, vi } from 'vitest'
import { ApiError, type SyncPage } from '@/api'
import { aMe, aMessage, anItem } from '@/testing/factory'
import { useMessenger } from './store'
import { createSync } from './sync'

function aSyncPage(change: Partial<SyncPage>): SyncPage {
  return {
    cursor: 'c1',
    server_time: '2026-03-12T09:00:00.000Z',
    user: { rev: 1, me: aMe(), hidden_messages: [] },
    items: [],
    removed: [],
    has_more: false,
    reset: false,
    ...change,
  }
}

it('catches up without losing or doubling what arrives meanwhile', async () => {
  setActivePinia(createPinia())
  const store = useMessenger()
  store.me = aMe()
  store.applyItem(anItem(2))
  store.applyPage(
    7,
    {
      items: [aMessage(1), aMessage(2)],
      has_more_before: false,
      has_more_after: false,
      last_seq: 2,
      last_rev: 2,
    },
    {},
  )
  const steps: string[] = []
  const arrive = (seq: number) =>
    store.applyEvent({
      name: 'message.created',
      conversation_id: 7,
      rev: seq,
      message: aMessage(seq),
    })
  const sync = createSync({
    api: {
      async sync(cursor) {
        steps.push(`sync ${cursor}`)
        arrive(4)
        arrive(5)
        return cursor === 'c0'
          ? aSyncPage({ cursor: 'c1', has_more: true })
          : aSyncPage({ cursor: 'c2', items: [anItem(4)] })
      },
      async changes(id, after) {
        steps.push(`changes ${id} ${after}`)
        return {
          items: [aMessage(3), aMessage(4)],
          conversation: null,
          members: null,
          upto_rev: 4,
          has_more: false,
          reset: false,
        }
      },
      changesOfMany: vi.fn(),
      conversation: vi.fn(),
    },
    store,
    cursor: () => 'c0',
    async keepCursor(cursor) {
      steps.push(`keep ${cursor}`)
    },
    forgetCursor: () => {},
    openConversation: () => 7,
    unconfirmed: () => {},
    stranger: () => {},
    caughtUp: () => steps.push('live'),
  })
  await sync.run()
  expect(steps).toEqual(['sync c0', 'sync c1', 'changes 7 2', 'keep c2', 'live'])
  expect(store.timelines.get(7)).toMatchObject({ rev: 5, ranges: [[1, 5]] })
  expect(store.items.get(7)!.unread_count).toBe(5)
})

it('keeps the old cursor when it fails, and lets events through again', async () => {
  setActivePinia(createPinia())
  const store = useMessenger()
  store.me = aMe()
  store.applyItem(anItem(2))
  const keepCursor = vi.fn()
  const sync = createSync({
    api: {
      sync: async () => {
        throw new ApiError(503, 'unavailable')
      },
      changes: vi.fn(),
      changesOfMany: vi.fn(),
      conversation: vi.fn(),
    },
    store,
    cursor: () => null,
    keepCursor,
    forgetCursor: () => {},
    openConversation: () => null,
    unconfirmed: () => {},
    stranger: () => {},
    caughtUp: () => {},
  })
  await expect(sync.run()).rejects.toThrow()
  expect(keepCursor).not.toHaveBeenCalled()
  store.applyEvent({
    name: 'message.created',
    conversation_id: 7,
    rev: 3,
    message: aMessage(3),
  })
  expect(store.items.get(7)!.conversation.last_seq).toBe(3)
})

it('stops when somebody else is logged in by now', async () => {
  setActivePinia(createPinia())
  const store = useMessenger()
  store.me = aMe(1)
  const stranger = vi.fn()
  const sync = createSync({
    api: {
      sync: async () =>
        aSyncPage({ user: { rev: 1, me: aMe(2), hidden_messages: [] }, items: [anItem(3)] }),
      changes: vi.fn(),
      changesOfMany: vi.fn(),
      conversation: vi.fn(),
    },
    store,
    cursor: () => null,
    keepCursor: vi.fn(),
    forgetCursor: () => {},
    openConversation: () => null,
    unconfirmed: () => {},
    stranger,
    caughtUp: () => {},
  })
  await expect(sync.run()).rejects.toThrow()
  expect(stranger).toHaveBeenCalledOnce()
  expect(store.items.size).toBe(0)
})
