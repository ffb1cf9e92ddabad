// Messages on their way. Each conversation has its own queue: first in, first out, one request in
// flight, the same client_id on every try, so that the server stores it once.
import type { ApiError, Draft, Message, Quote } from '@/api'
import { retryDelay_ms } from '@/lib/backoff'

export interface OutboxEntry {
  client_id: string
  conversation_id: number
  body: string
  reply_to: Quote | null
  created_at: string
  failures: number
  /** `sent` entries stay until the message stands in the history, so that nothing flickers. */
  state: 'queued' | 'failed' | 'sent'
  error?: string
  message?: Message
}

export interface OutboxOptions {
  read: () => readonly OutboxEntry[]
  write: (entries: readonly OutboxEntry[]) => void
  send: (conversation: number, draft: Draft) => Promise<Message>
  /** A message came back; it is in the history, or will be as soon as a gap is closed. */
  accepted: (message: Message) => void
  /** Keeps or drops one entry in the browser's store. */
  keep: (entry: OutboxEntry) => void
  drop: (client_id: string) => void
  online: () => boolean
  /** Runs the work while no other tab does the same. */
  exclusively: (work: () => Promise<void>) => Promise<void>
  /** Entries that other tabs have left in the browser's store. */
  stored: () => Promise<OutboxEntry[]>
}

const lifetime_ms = 24 * 3600_000

export function createOutbox(options: OutboxOptions) {
  const running = new Set<number>()
  const timers = new Map<number, ReturnType<typeof setTimeout>>()
  let idle: (() => void) | null = null
  let stopped = false

  function update(client_id: string, change: Partial<OutboxEntry>): void {
    options.write(
      options.read().map((entry) => {
        if (entry.client_id !== client_id) return entry
        const next = { ...entry, ...change }
        if (next.state !== 'sent') options.keep(next)
        return next
      }),
    )
  }

  function remove(client_id: string): void {
    options.write(options.read().filter((entry) => entry.client_id !== client_id))
    options.drop(client_id)
  }

  function head(conversation: number): OutboxEntry | undefined {
    return options
      .read()
      .find((entry) => entry.conversation_id === conversation && entry.state === 'queued')
  }

  async function work(conversation: number): Promise<void> {
    for (let entry = head(conversation); entry && !stopped; entry = head(conversation)) {
      if (Date.now() - Date.parse(entry.created_at) > lifetime_ms) {
        update(entry.client_id, { state: 'failed', error: 'send_expired' })
        continue
      }
      try {
        const message = await options.send(conversation, {
          client_id: entry.client_id,
          body: entry.body,
          reply_to: entry.reply_to?.message_id ?? null,
          advance_seen: true,
        })
        options.drop(entry.client_id)
        update(entry.client_id, { state: 'sent', message })
        options.accepted(message)
      } catch (failure) {
        const error = failure as ApiError
        if (stopped) return
        // The event may have told us already that the message arrived.
        const now = options.read().find((other) => other.client_id === entry!.client_id)
        if (now?.state === 'sent') options.drop(entry.client_id)
        else if (!now) continue
        else if (error.transient) {
          const failures = entry.failures + 1
          update(entry.client_id, { failures })
          wait(conversation, error.retryAfter_ms ?? retryDelay_ms(failures))
          return
        } else if (error.status === 401) return
        else update(entry.client_id, { state: 'failed', error: error.code ?? 'unknown' })
      }
    }
  }

  function wait(conversation: number, delay_ms: number): void {
    clearTimeout(timers.get(conversation))
    timers.set(
      conversation,
      setTimeout(() => {
        timers.delete(conversation)
        drain()
      }, delay_ms),
    )
  }

  function kick(): void {
    if (!options.online() || stopped) return
    for (const { conversation_id, state } of options.read()) {
      if (state !== 'queued' || running.has(conversation_id) || timers.has(conversation_id))
        continue
      running.add(conversation_id)
      void work(conversation_id).finally(() => {
        running.delete(conversation_id)
        kick()
        if (running.size === 0) idle?.()
      })
    }
  }

  let draining: Promise<void> | null = null

  /** Sends what can be sent now. Returns when nothing is in flight. */
  function drain(): Promise<void> {
    if (stopped) return Promise.resolve()
    if (draining) {
      if (idle) kick()
      return draining
    }
    draining = options
      .exclusively(async () => {
        const known = new Set(options.read().map((entry) => entry.client_id))
        const left = (await options.stored()).filter((entry) => !known.has(entry.client_id))
        if (left.length) {
          options.write(
            [...options.read(), ...left].sort((a, b) => a.created_at.localeCompare(b.created_at)),
          )
        }
        await new Promise<void>((resolve) => {
          idle = resolve
          kick()
          if (running.size === 0) resolve()
        })
      })
      .finally(() => {
        idle = null
        draining = null
      })
    return draining
  }

  return {
    add(entry: OutboxEntry): void {
      options.write([...options.read(), entry])
      options.keep(entry)
      void drain()
    },
    retry(client_id: string): void {
      update(client_id, { state: 'queued', error: undefined, failures: 0 })
      void drain()
    },
    remove,
    drain,
    /** Back online: whoever waits for a second try need not wait any longer. */
    resume(): void {
      for (const timer of timers.values()) clearTimeout(timer)
      timers.clear()
      void drain()
    },
    /** Forgets confirmed entries whose message now stands in the history. */
    settle(shown: (message: Message) => boolean): void {
      const left = options.read().filter((entry) => !(entry.message && shown(entry.message)))
      if (left.length !== options.read().length) options.write(left)
    },
    stop(): void {
      stopped = true
      for (const timer of timers.values()) clearTimeout(timer)
    },
  }
}

export type Outbox = ReturnType<typeof createOutbox>
