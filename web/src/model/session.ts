// One login's working parts, joined: cache, store, outbox, receipts, realtime, synchronisation.
// Everything that lives as long as the login is started and stopped here.
import { shallowRef } from 'vue'
import { api, ApiError, type Me, type Message, type Quote } from '@/api'
import type { ConversationEvent, ListItem, Presence, ReceiptEvent, TypingEvent } from '@/api'
import { retryDelay_ms } from '@/lib/backoff'
import { connectRealtime, type OpenChannel, type Realtime, type RealtimeEvent } from '@/realtime'
import { openCache, toStored, type Cache, type Snapshot } from './cache'
import { createOutbox, type OutboxEntry } from './outbox'
import { createReceipts } from './receipts'
import { useMessenger } from './store'
import { createSync } from './sync'
import type { PageRequest } from './timeline'

const flush_ms = 400
const safety_ms = 5 * 60_000
const tick_ms = 10_000
const reconnecting_ms = 2_000

function createSession(me: Me, cache: Cache, snapshot: Snapshot) {
  const store = useMessenger()
  let cursor = snapshot.cursor
  let open: number | null = null
  let realtime: Realtime | null = null
  let stopped = false
  const abort = new AbortController()

  // What changed since the last write to the cache.
  const dirty = {
    item: new Set<number>(),
    timeline: new Set<number>(),
    person: new Set<number>(),
    draft: new Set<number>(),
  }
  let flushTimer: ReturnType<typeof setTimeout> | undefined

  async function flushCache(): Promise<void> {
    clearTimeout(flushTimer)
    flushTimer = undefined
    const writes: Promise<unknown>[] = []
    for (const id of dirty.item) {
      const item = store.items.get(id)
      writes.push(item ? cache.put('items', id, item) : cache.remove('items', id))
    }
    for (const id of dirty.timeline) {
      const timeline = store.timelines.get(id)
      const stored = timeline && toStored(id, timeline)
      writes.push(stored ? cache.put('timelines', id, stored) : cache.remove('timelines', id))
    }
    for (const id of dirty.person) {
      const person = store.people.get(id)
      if (person) writes.push(cache.put('people', id, person))
    }
    for (const id of dirty.draft) {
      const draft = store.drafts.get(id)
      writes.push(draft ? cache.put('drafts', id, draft) : cache.remove('drafts', id))
    }
    for (const ids of Object.values(dirty)) ids.clear()
    await Promise.all(writes)
  }

  const receipts = createReceipts({
    async post(items, keepalive) {
      const answer = await api.receipts(items, keepalive)
      store.applyReceipts(answer.items.map((item) => ({ ...item, user_id: me.id })))
    },
  })

  // Up to where this device has said "delivered"; the store keeps only what the server confirmed.
  const acknowledged = new Map<number, number>()

  function acknowledge(item: ListItem): void {
    const { id, last_seq, kind } = item.conversation
    const known = Math.max(item.my.delivered_seq, acknowledged.get(id) ?? 0)
    if (kind === 'self' || last_seq <= known) return
    acknowledged.set(id, last_seq)
    receipts.delivered(id, last_seq, kind === 'group')
  }

  const channel = 'BroadcastChannel' in window ? new BroadcastChannel(`chinwag.${me.id}`) : null
  const outbox = createOutbox({
    read: () => store.outbox,
    write: (entries) => (store.outbox = entries),
    send: api.send,
    accepted(message) {
      // The answer counts as the event: whichever is first, the other is dropped by its rev.
      store.applyEvent({
        name: 'message.created',
        conversation_id: message.conversation_id,
        rev: message.rev,
        message,
      })
      settleOutbox()
    },
    keep: (entry) => void cache.put('outbox', entry.client_id, entry),
    drop: (id) => void cache.remove('outbox', id),
    online: () => navigator.onLine,
    exclusively: async (work) => {
      if (!('locks' in navigator)) return work()
      await navigator.locks.request(`chinwag.outbox.${me.id}`, work)
    },
    stored: () => cache.outbox(),
  })

  function settleOutbox(): void {
    outbox.settle((message) => {
      const timeline = store.timelines.get(message.conversation_id)
      if (!timeline) return true
      return timeline.messages.get(message.seq)?.id === message.id
    })
  }

  const sync = createSync({
    api,
    store,
    cursor: () => cursor,
    async keepCursor(next) {
      cursor = next
      await flushCache()
      await cache.setMeta('cursor', next)
      if (store.me) await cache.setMeta('me', store.me)
    },
    forgetCursor: () => (cursor = null),
    openConversation: () => open,
    unconfirmed: (id, seq) => receipts.seen(id, seq),
    stranger() {
      // Their data is not this person's: start again from the log-in that counts now.
      forgetUser()
      location.reload()
    },
    caughtUp() {
      settleOutbox()
      outbox.resume()
      for (const item of store.items.values()) acknowledge(item)
      void receipts.flush()
      void refreshPresence()
      void cache.trim(store.list.map((item) => item.conversation.id))
    },
  })

  let failures = 0
  let syncTimer: ReturnType<typeof setTimeout> | undefined
  async function synchronise(): Promise<void> {
    clearTimeout(syncTimer)
    if (stopped) return
    try {
      await sync.run()
      failures = 0
    } catch (error) {
      if (stopped || (error instanceof ApiError && error.status === 401)) return
      store.listError = error instanceof ApiError ? error.code : 'unknown'
      failures += 1
      syncTimer = setTimeout(() => void synchronise(), retryDelay_ms(failures))
    }
  }

  async function refreshPresence(): Promise<void> {
    const ids = new Set<number>([me.id])
    for (const { peer } of store.list) if (peer && ids.size < 200) ids.add(peer.id)
    const item = open === null ? undefined : store.items.get(open)
    for (const { user } of item?.members ?? []) if (ids.size < 200) ids.add(user.id)
    await api.presence([...ids]).then(
      (answer) => store.applyPresence(answer.items),
      () => {},
    )
  }

  function onEvent(name: RealtimeEvent, data: unknown): void {
    switch (name) {
      case 'message.created':
      case 'members.changed':
      case 'conversation.updated': {
        const event = { ...(data as ConversationEvent), name }
        // Only the beginning of a very long message comes this way: the whole is fetched instead.
        if (event.message?.truncated) {
          void sync.repair(event.conversation_id).catch(() => {})
          break
        }
        store.applyEvent(event)
        if (name !== 'message.created') void sync.repair(event.conversation_id).catch(() => {})
        break
      }
      case 'message.updated':
      case 'message.deleted':
      case 'reaction.changed':
      case 'pin.changed':
      case 'conversation.noop': {
        const { conversation_id } = data as { conversation_id: number }
        void sync.repair(conversation_id).catch(() => {})
        break
      }
      case 'conversation.added': {
        const { conversation_id } = data as { conversation_id: number }
        void sync
          .repair(conversation_id)
          .then(refreshPresence)
          .catch(() => {})
        break
      }
      case 'conversation.deleted':
      case 'conversation.removed':
        store.removeItem((data as { conversation_id: number }).conversation_id)
        break
      case 'me.updated':
        store.applyMe((data as { me: Me }).me)
        break
      case 'receipt.updated':
        store.applyReceipts((data as { items: ReceiptEvent[] }).items)
        break
      case 'presence.changed':
        store.applyPresence((data as { items: Presence[] }).items)
        break
      case 'typing.changed': {
        const typing = data as TypingEvent
        // Inside a thread nobody sees it but there.
        if (!typing.thread_root_id) {
          store.noteTyping(typing.conversation_id, typing.user_id, typing.stop)
        }
        break
      }
      case 'sync.required':
        void synchronise()
        break
      case 'logout.required':
        ended?.()
    }
  }

  // The bar comes only after two seconds: most interruptions are over before.
  let barTimer: ReturnType<typeof setTimeout> | undefined
  let connected = false
  let paused = false
  function showConnection(): void {
    if (stopped) return
    if (!navigator.onLine) store.connection = 'offline'
    else if (connected) store.connection = 'online'
    else if (paused) store.connection = 'paused'
    else if (store.connection === 'offline') store.connection = 'reconnecting'
    if (store.connection === 'online' ? !connected : store.connection === 'connecting') {
      barTimer ??= setTimeout(() => {
        barTimer = undefined
        store.connection = 'reconnecting'
      }, reconnecting_ms)
    } else {
      clearTimeout(barTimer)
      barTimer = undefined
    }
  }

  async function connect(attempt = 0): Promise<void> {
    showConnection()
    try {
      const config = await api.realtimeConfig()
      if (stopped) return
      realtime = connectRealtime(config, {
        subscribed: () => void synchronise(),
        // The API has the last word: its 401 ends the session.
        refused: () => void api.me().catch(() => {}),
        dismissed: () => void pause(),
        state(now) {
          connected = now
          showConnection()
        },
        event: onEvent,
      })
      if (open !== null) join(open)
      if (onLog) leaveLog = realtime.watchLog(onLog)
    } catch {
      if (!stopped) setTimeout(() => void connect(attempt + 1), retryDelay_ms(attempt + 1))
    }
  }

  /** The server has sent this window away. If that was for its login, the API says so and ends the session. */
  async function pause(): Promise<void> {
    await api.me().catch(() => {})
    paused = true
    showConnection()
  }

  /** Whoever asks for it is looking at this window. */
  function connectHere(): void {
    if (!paused) return
    paused = false
    store.connection = 'reconnecting'
    showConnection()
    realtime?.resume()
  }

  let onLog: ((batch: unknown) => void) | null = null
  let leaveLog: (() => void) | null = null

  let room: OpenChannel | null = null
  function join(id: number): void {
    const item = store.items.get(id)
    const members = item?.conversation.member_count ?? 2
    const limit = store.config?.limits.receipts_members ?? 256
    if (!realtime || members > limit || item?.conversation.kind === 'self') return
    room = realtime.join(id, (user, stop) => store.noteTyping(id, user, stop))
  }

  async function start(): Promise<void> {
    store.wire({
      repair: sync.repair,
      changed(kind, id) {
        dirty[kind].add(id)
        flushTimer ??= setTimeout(() => void flushCache(), flush_ms)
        if (kind === 'timeline') settleOutbox()
        if (kind === 'item' && !store.updating) {
          const item = store.items.get(id)
          if (item) acknowledge(item)
        }
      },
    })
    store.me = snapshot.me && snapshot.me.user_rev > me.user_rev ? snapshot.me : me
    for (const person of snapshot.people) store.applyPerson(person)
    store.applyPerson(me)
    for (const [id, timeline] of snapshot.timelines) store.restoreTimeline(id, timeline)
    for (const [id, draft] of snapshot.drafts) store.drafts.set(id, draft)
    for (const item of snapshot.items) store.applyItem(item)
    for (const set of Object.values(dirty)) set.clear()
    store.outbox = snapshot.outbox
    if (snapshot.cursor) store.listReady = true
    listen()
    void connect()
    void synchronise()
  }

  function listen(): void {
    const { signal } = abort
    window.addEventListener('online', back, { signal })
    window.addEventListener('offline', showConnection, { signal })
    document.addEventListener(
      'visibilitychange',
      () => {
        if (document.visibilityState === 'visible') back()
        else leaving()
      },
      { signal },
    )
    window.addEventListener('pagehide', leaving, { signal })
    if (channel) channel.onmessage = () => void outbox.drain()
    let last = Date.now()
    let lastSync = last
    const timer = setInterval(() => {
      const now = Date.now()
      if (now - last > 3 * tick_ms && document.visibilityState === 'visible') realtime?.renew()
      if (now - lastSync > safety_ms) {
        lastSync = now
        void synchronise()
      }
      last = now
    }, tick_ms)
    signal.addEventListener('abort', () => clearInterval(timer))
  }

  function back(): void {
    showConnection()
    realtime?.nudge()
    outbox.resume()
    // Nothing arrives by itself, but whoever looks shall see what there is.
    if (paused) void synchronise()
  }

  function leaving(): void {
    void receipts.flush(true)
    void flushCache()
  }

  async function loadMessages(id: number, asked: PageRequest): Promise<void> {
    const page = await api.messages(id, { ...asked, limit: 50 })
    store.applyPage(id, page, asked)
    const item = store.items.get(id)
    const timeline = store.timelines.get(id)
    if (item && timeline && timeline.rev < item.conversation.last_rev) await sync.repair(id)
  }

  return {
    start,
    outbox,
    connectHere,
    synchronise,
    loadMessages,
    loadConversation: async (id: number) => store.applyItem(await api.conversation(id)),
    /** The conversation on the screen; null when there is none. */
    openConversation(id: number | null): void {
      if (open === id) return
      room?.leave()
      room = null
      open = id
      if (id === null) return
      join(id)
      void refreshPresence()
    },
    typing: (stop: boolean) => room?.typing(stop),
    /** The server's live log, for administrators; null ends it. */
    watchLog(handler: ((batch: unknown) => void) | null): void {
      leaveLog?.()
      leaveLog = null
      onLog = handler
      if (handler && realtime) leaveLog = realtime.watchLog(handler)
    },
    seen(id: number, seq: number): void {
      const item = store.items.get(id)
      if (!item || seq <= item.my.seen_seq) return
      store.applyReceipts([{ conversation_id: id, user_id: me.id, seen_seq: seq }])
      receipts.seen(id, seq)
    },
    send(id: number, body: string, quoted: Message | null): void {
      const reply_to: Quote | null = quoted && {
        message_id: quoted.id,
        seq: quoted.seq,
        author_id: quoted.author_id,
        kind: quoted.kind ?? 'text',
        excerpt: (quoted.body ?? '').slice(0, 160),
        deleted: false,
      }
      const entry: OutboxEntry = {
        client_id: newId(),
        conversation_id: id,
        body,
        reply_to,
        created_at: new Date().toISOString(),
        failures: 0,
        state: 'queued',
      }
      outbox.add(entry)
      channel?.postMessage('outbox')
    },
    async stop(wipe: boolean): Promise<void> {
      stopped = true
      abort.abort()
      clearTimeout(barTimer)
      clearTimeout(syncTimer)
      clearTimeout(flushTimer)
      outbox.stop()
      receipts.stop()
      realtime?.close()
      channel?.close()
      if (wipe) await cache.wipe()
      else {
        await flushCache()
        cache.close()
        forgetUser()
      }
      store.clear()
    },
  }
}

function forgetUser(): void {
  try {
    localStorage.removeItem('chinwag.user')
  } catch {
    // A blocked storage remembers nobody.
  }
}

/** A UUID also where the page is not a secure context, which a home server's often is not. */
function newId(): string {
  if ('randomUUID' in crypto) return crypto.randomUUID()
  const bytes = (crypto as Crypto).getRandomValues(new Uint8Array(16))
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

export type Session = ReturnType<typeof createSession>

const current = shallowRef<Session | null>(null)
let ended: (() => void) | null = null

/** What to do when the server ends the login. */
export function whenEnded(handler: () => void): void {
  ended = handler
}

export function useSession(): Session {
  if (!current.value) throw new Error('No session')
  return current.value
}

export function hasSession(): boolean {
  return current.value !== null
}

export async function startSession(me: Me): Promise<void> {
  const cache = await openCache(me.id)
  const session = createSession(me, cache, await cache.load())
  current.value = session
  await session.start()
}

/** Starts from the browser's copy alone, without waiting for the server. */
export async function resumeSession(): Promise<boolean> {
  let user = 0
  try {
    user = Number(localStorage.getItem('chinwag.user'))
  } catch {
    return false
  }
  if (!user) return false
  const cache = await openCache(user)
  const snapshot = await cache.load()
  if (!snapshot.me) {
    cache.close()
    return false
  }
  const session = createSession(snapshot.me, cache, snapshot)
  current.value = session
  await session.start()
  return true
}

export async function stopSession(wipe: boolean): Promise<void> {
  const session = current.value
  current.value = null
  await session?.stop(wipe)
}
