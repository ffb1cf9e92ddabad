// Which stretch of a conversation is on the page, and the loading of more at both ends.
import { computed, ref, shallowRef } from 'vue'
import { ApiError, type ListItem, type Message } from '@/api'
import { buildBlocks, type Divider, type Drawn } from '@/lib/blocks'
import { rangeAt, type Range } from '@/lib/ranges'
import { messagesIn, useMessenger, useSession } from '@/model'

function keyOf(message: Message): string {
  return message.client_id ? `${message.author_id}-${message.client_id}` : `m${message.id}`
}

export function useHistory(item: () => ListItem) {
  const store = useMessenger()
  const session = useSession()
  const id = item().conversation.id
  /** A seq in the stretch to show; null shows the newest. */
  const focus = ref<number | null>(null)
  const divider = shallowRef<Divider | null>(null)
  const loading = ref<'' | 'all' | 'before' | 'after'>('')
  const error = ref<{ code: string; what: 'all' | 'before' | 'after' } | null>(null)

  const timeline = computed(() => store.timelines.get(id) ?? null)
  const range = computed<Range | null>(() => {
    const ranges = timeline.value?.ranges ?? []
    const around = focus.value === null ? null : rangeAt(ranges, focus.value)
    return around ?? ranges[ranges.length - 1] ?? null
  })
  const reachesEnd = computed(() => {
    const ranges = timeline.value?.ranges ?? []
    return range.value === null || range.value[1] === ranges[ranges.length - 1]?.[1]
  })
  const hasOlder = computed(
    () => range.value !== null && range.value[0] > (timeline.value?.floor ?? 1),
  )
  const empty = computed(() => timeline.value !== null && drawn.value.length === 0)

  const drawn = computed<Drawn[]>(() => {
    const list: Drawn[] = []
    const held = new Set<string>()
    if (timeline.value && range.value) {
      for (const message of messagesIn(timeline.value, range.value)) {
        const key = keyOf(message)
        held.add(key)
        if (!message.in_timeline) continue
        list.push({ key, seq: message.seq, message, outbox: null })
      }
    }
    if (!reachesEnd.value) return list
    for (const entry of store.outbox) {
      if (entry.conversation_id !== id) continue
      const message = entry.message ?? unsent(entry)
      const key = keyOf(message)
      if (held.has(key)) continue
      const outbox = entry.state === 'queued' ? 'sending' : entry.state
      list.push({ key, seq: null, message, outbox, error: entry.error })
    }
    return list
  })

  function unsent(entry: (typeof store.outbox)[number]): Message {
    return {
      id: 0,
      conversation_id: id,
      seq: 0,
      rev: 0,
      client_id: entry.client_id,
      author_id: store.myId,
      kind: 'text',
      body: entry.body,
      reply_to: entry.reply_to,
      in_timeline: true,
      created_at: entry.created_at,
      edited_at: null,
      deleted_at: null,
      // The rest comes from the server.
    } satisfies Partial<Message> as Message
  }

  const blocks = computed(() => buildBlocks(drawn.value, store.myId, divider.value))

  async function load(
    what: 'all' | 'before' | 'after',
    asked: { before?: number; after?: number; around?: number },
  ): Promise<boolean> {
    if (loading.value) return false
    loading.value = what
    error.value = null
    try {
      await session.loadMessages(id, asked)
      return true
    } catch (caught) {
      error.value = { code: caught instanceof ApiError ? caught.code : 'unknown', what }
      return false
    } finally {
      loading.value = ''
    }
  }

  return {
    id,
    focus,
    divider,
    loading,
    error,
    timeline,
    range,
    reachesEnd,
    hasOlder,
    empty,
    blocks,
    drawn,
    load,
    loadBefore: () =>
      hasOlder.value && range.value ? load('before', { before: range.value[0] }) : undefined,
    loadAfter: () =>
      !reachesEnd.value && range.value ? load('after', { after: range.value[1] }) : undefined,
    keyAt(seq: number): string | null {
      const message = timeline.value?.messages.get(seq)
      return message ? keyOf(message) : null
    },
  }
}
