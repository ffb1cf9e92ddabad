import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { ApiError, type Draft, type Message } from '@/api'
import { aMessage } from '@/testing/factory'
import { createOutbox, type OutboxEntry } from './outbox'

function anEntry(client_id: string, conversation_id = 7): OutboxEntry {
  return {
    client_id,
    conversation_id,
    body: client_id,
    reply_to: null,
    created_at: new Date().toISOString(),
    failures: 0,
    state: 'queued',
  }
}

function setup(send: (conversation: number, draft: Draft) => Promise<Message>) {
  let entries: readonly OutboxEntry[] = []
  let online = true
  const accepted: string[] = []
  const outbox = createOutbox({
    read: () => entries,
    write: (next) => (entries = next),
    send,
    accepted: (message) => accepted.push(message.client_id!),
    keep: () => {},
    drop: () => {},
    online: () => online,
    exclusively: (work) => work(),
    stored: async () => [],
  })
  return {
    outbox,
    accepted,
    entries: () => entries,
    go: (now: boolean) => (online = now),
    confirm: (client_id: string) =>
      (entries = entries.map((entry) =>
        entry.client_id === client_id
          ? { ...entry, state: 'sent', message: message(client_id) }
          : entry,
      )),
  }
}

const message = (client_id: string) => aMessage(1, { client_id, author_id: 1 })

beforeEach(() => {
  vi.useFakeTimers()
  vi.spyOn(Math, 'random').mockReturnValue(0.5)
})
afterEach(() => void vi.useRealTimers())

describe('the outbox', () => {
  it('sends one message of a conversation at a time, in order', async () => {
    const flying: string[] = []
    const release = new Map<string, () => void>()
    const { outbox, accepted } = setup((_, draft) => {
      flying.push(draft.client_id)
      return new Promise((resolve) =>
        release.set(draft.client_id, () => resolve(message(draft.client_id))),
      )
    })
    for (const id of ['a', 'b', 'c']) outbox.add(anEntry(id))
    outbox.add(anEntry('other', 8))
    await vi.advanceTimersByTimeAsync(0)
    expect(flying).toEqual(['a', 'other'])
    release.get('a')!()
    await vi.advanceTimersByTimeAsync(0)
    expect(flying).toEqual(['a', 'other', 'b'])
    release.get('b')!()
    await vi.advanceTimersByTimeAsync(0)
    release.get('c')!()
    await vi.advanceTimersByTimeAsync(0)
    expect(accepted).toEqual(['a', 'b', 'c'])
  })

  it('tries again under the same client_id after 1, 2 and 4 seconds', async () => {
    const tries: [string, number][] = []
    const start = Date.now()
    const { outbox, accepted } = setup(async (_, draft) => {
      tries.push([draft.client_id, Date.now() - start])
      if (tries.length <= 3) throw new ApiError(tries.length === 2 ? 503 : 0, 'network')
      return message(draft.client_id)
    })
    outbox.add(anEntry('a'))
    outbox.add(anEntry('b'))
    await vi.advanceTimersByTimeAsync(20_000)
    expect(tries).toEqual([
      ['a', 0],
      ['a', 1000],
      ['a', 3000],
      ['a', 7000],
      ['b', 7000],
    ])
    expect(accepted).toEqual(['a', 'b'])
  })

  it('waits as long as a 429 says', async () => {
    const tries: number[] = []
    const start = Date.now()
    const { outbox } = setup(async (_, draft) => {
      tries.push(Date.now() - start)
      if (tries.length === 1) throw new ApiError(429, 'rate_limited', {}, 5000)
      return message(draft.client_id)
    })
    outbox.add(anEntry('a'))
    await vi.advanceTimersByTimeAsync(10_000)
    expect(tries).toEqual([0, 5000])
  })

  it('gives up on a refusal, and the next message goes on', async () => {
    const { outbox, accepted, entries } = setup(async (_, draft) => {
      if (draft.client_id === 'a') throw new ApiError(422, 'body_too_long')
      return message(draft.client_id)
    })
    outbox.add(anEntry('a'))
    outbox.add(anEntry('b'))
    await vi.advanceTimersByTimeAsync(0)
    expect(accepted).toEqual(['b'])
    expect(entries()[0]).toMatchObject({ state: 'failed', error: 'body_too_long' })
  })

  it('keeps everything while offline and sends it in order afterwards', async () => {
    const sent: string[] = []
    const { outbox, go } = setup(async (_, draft) => {
      sent.push(draft.client_id)
      return message(draft.client_id)
    })
    go(false)
    outbox.add(anEntry('a'))
    outbox.add(anEntry('b'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(sent).toEqual([])
    go(true)
    outbox.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(sent).toEqual(['a', 'b'])
  })

  it('tries no more once the event says that the message arrived', async () => {
    let tries = 0
    const { outbox, entries, confirm } = setup(async () => {
      tries += 1
      confirm('a')
      throw new ApiError(0, 'network')
    })
    outbox.add(anEntry('a'))
    await vi.advanceTimersByTimeAsync(60_000)
    expect(tries).toBe(1)
    expect(entries()[0]).toMatchObject({ state: 'sent' })
  })
})
