// Everything known about the caller's conversations. REST answers and realtime events enter by the
// same few `apply` functions, so it does not matter which of them comes first or how often.
import { defineStore } from 'pinia'
import { computed, ref, shallowReactive, shallowRef } from 'vue'
import type {
  Changes,
  Config,
  ConversationEvent,
  HiddenMessage,
  ListItem,
  Me,
  Message,
  MessagePage,
  Presence,
  ReceiptEvent,
  User,
} from '@/api'
import { applyEventToItem, applyReceiptToItem, mergeItem } from './row'
import {
  applyChanges as changeTimeline,
  applyNext,
  applyPage as pageIntoTimeline,
  countUnread,
  type PageRequest,
  type Timeline,
} from './timeline'
import type { OutboxEntry } from './outbox'

/** Paused: the server has sent this window away, which comes back when it is asked to. */
export type ConnectionState = 'connecting' | 'online' | 'reconnecting' | 'paused' | 'offline'

export interface DraftText {
  body: string
  reply_to: Message | null
  at: number
}

// What holds until the server has told its own.
const gap_ms = 300
const typing_s = 6

export const useMessenger = defineStore('messenger', () => {
  const config = shallowRef<Config | null>(null)
  const me = shallowRef<Me | null>(null)
  const items = shallowReactive(new Map<number, ListItem>())
  const timelines = shallowReactive(new Map<number, Timeline>())
  const people = shallowReactive(new Map<number, User>())
  const presence = shallowReactive(new Map<number, Presence>())
  const drafts = shallowReactive(new Map<number, DraftText>())
  /** Who is typing where, with the timer that forgets it. */
  const typing = shallowReactive(new Map<number, ReadonlyMap<number, number>>())
  const outbox = shallowRef<readonly OutboxEntry[]>([])
  const connection = ref<ConnectionState>('connecting')
  const updating = ref(false)
  /** Whether the list has been read once, from the cache or from the server. */
  const listReady = ref(false)
  const listError = shallowRef<string | null>(null)

  const myId = computed(() => me.value?.id ?? 0)
  const list = computed(() =>
    [...items.values()].sort(
      (a, b) =>
        b.conversation.last_activity_at.localeCompare(a.conversation.last_activity_at) ||
        b.conversation.id - a.conversation.id,
    ),
  )
  /** What the tab shows: what is muted or archived does not call, but for mentions in what is muted. */
  const unreadTotal = computed(() => {
    const now = Date.now()
    let total = 0
    for (const { my, unread_count, unread_mentions } of items.values()) {
      if (my.muted_until && Date.parse(my.muted_until) > now) total += unread_mentions
      else if (!my.archived) total += unread_count
    }
    return total
  })

  // What waits for an earlier event, by conversation and rev.
  const early = new Map<number, Map<number, ConversationEvent>>()
  const gapTimers = new Map<number, ReturnType<typeof setTimeout>>()
  let holding = false
  let heldBack: ConversationEvent[] = []
  let repair: (conversation: number) => Promise<void> = async () => {}
  let changed: (kind: 'item' | 'timeline' | 'person' | 'draft', id: number) => void = () => {}

  function wire(hooks: { repair: typeof repair; changed: typeof changed }): void {
    repair = hooks.repair
    changed = hooks.changed
  }

  function applyPerson(user: User): void {
    const held = people.get(user.id)
    if (
      held &&
      held.display_name === user.display_name &&
      held.deleted === user.deleted &&
      held.suspended === user.suspended
    )
      return
    people.set(user.id, user)
    changed('person', user.id)
  }

  function setItem(id: number, item: ListItem): void {
    const timeline = timelines.get(id)
    const { my, conversation } = item
    const counted = timeline
      ? countUnread(timeline, my.seen_seq, conversation.last_seq, myId.value)
      : my.seen_seq >= conversation.last_seq
        ? 0
        : null
    items.set(id, counted === null ? item : { ...item, unread_count: counted })
    changed('item', id)
  }

  function applyItem(given: ListItem): void {
    const id = given.conversation.id
    if (given.peer) applyPerson(given.peer)
    for (const member of given.members) applyPerson(member.user)
    setItem(id, mergeItem(items.get(id), given))
    settle(id)
  }

  function removeItem(id: number): void {
    items.delete(id)
    timelines.delete(id)
    early.delete(id)
    changed('item', id)
    changed('timeline', id)
  }

  /** One that we have deleted for ourselves on another device. */
  function hideMessage(place: { conversation_id: number; seq: number }): void {
    const timeline = timelines.get(place.conversation_id)
    if (!timeline?.messages.delete(place.seq)) return
    setTimeline(place.conversation_id, { ...timeline })
  }

  function setTimeline(id: number, timeline: Timeline): void {
    timelines.set(id, timeline)
    changed('timeline', id)
    const item = items.get(id)
    if (item) setItem(id, item)
  }

  function applyPage(id: number, page: MessagePage, asked: PageRequest): void {
    for (const message of page.items) confirm(message)
    setTimeline(id, pageIntoTimeline(timelines.get(id) ?? null, page, asked))
    settle(id)
  }

  function applyChanges(id: number, changes: Changes): void {
    const timeline = timelines.get(id)
    for (const message of changes.items) confirm(message)
    if (timeline) setTimeline(id, changeTimeline(timeline, changes))
    settle(id)
  }

  /** Events are put aside while a synchronisation runs, and applied when it is done. */
  function hold(): void {
    holding = true
  }

  function release(): void {
    holding = false
    const events = heldBack
    heldBack = []
    for (const event of events) applyEvent(event)
    for (const id of early.keys()) settle(id)
  }

  function applyEvent(event: ConversationEvent): void {
    if (event.message) {
      confirm(event.message)
      forgetTyping(event.conversation_id, event.message.author_id)
    }
    if (holding) {
      heldBack.push(event)
      return
    }
    const id = event.conversation_id
    if (!early.has(id)) early.set(id, new Map())
    early.get(id)!.set(event.rev, event)
    settle(id)
  }

  /** Applies what follows without a hole; what does not waits a moment, then is fetched. */
  function settle(id: number): void {
    if (holding) return
    const waiting = early.get(id)
    const item = items.get(id)
    let behind = false
    if (item) {
      for (;;) {
        const rowRev = items.get(id)!.conversation.last_rev
        const timeline = timelines.get(id)
        const known = Math.min(rowRev, timeline?.rev ?? rowRev)
        const event = waiting?.get(known + 1)
        if (!event) {
          behind = timeline !== undefined && timeline.rev < rowRev
          for (const rev of waiting?.keys() ?? []) if (rev <= known) waiting!.delete(rev)
          break
        }
        waiting!.delete(event.rev)
        if (timeline && timeline.rev < event.rev) {
          timelines.set(id, applyNext(timeline, event.rev, event.message))
          changed('timeline', id)
        }
        const row = items.get(id)!
        setItem(id, event.rev > rowRev ? applyEventToItem(row, event, myId.value) : row)
      }
    }
    if (waiting?.size || behind) awaitGap(id)
    else {
      early.delete(id)
      clearTimeout(gapTimers.get(id))
      gapTimers.delete(id)
    }
  }

  function awaitGap(id: number): void {
    if (gapTimers.has(id)) return
    gapTimers.set(
      id,
      setTimeout(() => {
        gapTimers.delete(id)
        // When it fails, the next event or the next synchronisation tries again.
        void repair(id).catch(() => {})
      }, config.value?.limits.gap_wait_ms ?? gap_ms),
    )
  }

  function applyReceipts(receipts: readonly ReceiptEvent[]): void {
    for (const receipt of receipts) {
      const item = items.get(receipt.conversation_id)
      if (!item || receipt.error) continue
      setItem(receipt.conversation_id, applyReceiptToItem(item, receipt, myId.value))
    }
  }

  function applyPresence(states: readonly Presence[]): void {
    for (const state of states) presence.set(state.user_id, state)
  }

  function applyMe(given: Me): void {
    if (me.value && me.value.id === given.id && me.value.user_rev > given.user_rev) return
    me.value = given
    applyPerson(given)
  }

  function noteTyping(conversation: number, user: number, stop: boolean): void {
    if (user === myId.value || !user) return
    if (stop) return forgetTyping(conversation, user)
    const typists = new Map(typing.get(conversation))
    clearTimeout(typists.get(user))
    typists.set(
      user,
      window.setTimeout(
        () => forgetTyping(conversation, user),
        1_000 * (config.value?.limits.typing_expiry_s ?? typing_s),
      ),
    )
    typing.set(conversation, typists)
  }

  function forgetTyping(conversation: number, user: number): void {
    const typists = new Map(typing.get(conversation))
    if (!typists.has(user)) return
    clearTimeout(typists.get(user))
    typists.delete(user)
    typing.set(conversation, typists)
  }

  /** A message of ours came back, by whichever way: what waits for it in the outbox is done. */
  function confirm(message: Message | HiddenMessage): void {
    if ('hidden' in message) return
    if (message.author_id !== myId.value || !message.client_id) return
    if (!outbox.value.some((entry) => entry.client_id === message.client_id)) return
    outbox.value = outbox.value.map((entry) =>
      entry.client_id === message.client_id ? { ...entry, state: 'sent', message } : entry,
    )
  }

  function setDraft(id: number, draft: DraftText | null): void {
    if (draft && (draft.body || draft.reply_to)) drafts.set(id, draft)
    else drafts.delete(id)
    changed('draft', id)
  }

  function clear(): void {
    for (const map of [items, timelines, people, presence, drafts, typing]) map.clear()
    for (const timer of gapTimers.values()) clearTimeout(timer)
    gapTimers.clear()
    early.clear()
    heldBack = []
    holding = false
    outbox.value = []
    me.value = null
    connection.value = 'connecting'
    updating.value = false
    listReady.value = false
    listError.value = null
  }

  return {
    config,
    me,
    myId,
    items,
    timelines,
    people,
    presence,
    drafts,
    typing,
    outbox,
    connection,
    updating,
    listReady,
    listError,
    list,
    unreadTotal,
    wire,
    applyPerson,
    applyItem,
    removeItem,
    hideMessage,
    applyPage,
    applyChanges,
    hold,
    release,
    applyEvent,
    applyReceipts,
    applyPresence,
    applyMe,
    noteTyping,
    setDraft,
    clear,
    /** Puts back what the cache held, without writing it again. */
    restoreTimeline: (id: number, timeline: Timeline) => timelines.set(id, timeline),
  }
})

export type Messenger = ReturnType<typeof useMessenger>
