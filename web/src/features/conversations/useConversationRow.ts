// What one row of the list says, put together from the list item, the draft, the outbox and typing.
import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import type { ListItem } from '@/api'
import { timeLocale } from '@/i18n'
import { clock, rowTime } from '@/lib/time'
import { tickState, type TickState } from '@/lib/ticks'
import { useMessenger, useNames } from '@/model'
import { useNow } from '@/ui'

export function useConversationRow(item: () => ListItem, open: () => boolean) {
  const { t } = useI18n()
  const store = useMessenger()
  const { nameOf, titleOf, faceOf, noteText } = useNames()
  const now = useNow()

  const id = computed(() => item().conversation.id)
  const title = computed(() => titleOf(item()))
  const face = computed(() => faceOf(item()))
  const presence = computed(() => {
    const { peer } = item()
    return peer ? store.presence.get(peer.id)?.state : undefined
  })
  const waiting = computed(() =>
    store.outbox.filter((entry) => entry.conversation_id === id.value && entry.state !== 'sent'),
  )
  const failed = computed(() => waiting.value.filter((entry) => entry.state === 'failed').length)
  const typing = computed(() => {
    const typists = [...(store.typing.get(id.value)?.keys() ?? [])]
    if (typists.length === 0) return ''
    if (item().conversation.kind === 'direct') return t('chats.typing')
    return typists.length === 1
      ? t('chats.typingOne', { name: nameOf(typists[0]!) })
      : t('chats.typingMany')
  })
  const draft = computed(() => (open() ? '' : (store.drafts.get(id.value)?.body.trim() ?? '')))
  const at = computed(() => {
    const last = waiting.value[waiting.value.length - 1]
    return new Date(last?.created_at ?? item().conversation.last_activity_at)
  })
  const time = computed(() =>
    rowTime(at.value, now.value, timeLocale.value, {
      today: t('chats.today'),
      yesterday: t('chats.yesterday'),
    }),
  )
  const tick = computed<TickState | null>(() => {
    if (waiting.value.length) return 'sending'
    const { last_message, members, conversation } = item()
    if (!last_message || last_message.author_id !== store.myId) return null
    if (last_message.kind === 'system' || conversation.kind === 'self') return null
    return tickState(last_message, members, conversation.member_count)
  })
  const preview = computed<{ author: string; text: string }>(() => {
    const { last_message: last, conversation } = item()
    const queued = waiting.value[waiting.value.length - 1]
    if (queued) return { author: t('chats.you'), text: queued.body }
    if (!last) return { author: '', text: t('chats.noMessages') }
    if (last.kind === 'system') return { author: '', text: noteText(last) }
    const own = last.author_id === store.myId
    const author =
      conversation.kind === 'self'
        ? ''
        : own
          ? t('chats.you')
          : conversation.kind === 'group'
            ? t('chats.by', { name: nameOf(last.author_id).split(' ')[0] })
            : ''
    return { author, text: last.deleted_at ? t('chats.deleted') : (last.body ?? '') }
  })
  const label = computed(() => {
    const { unread_count } = item()
    const { author, text } = preview.value
    const parts = [title.value]
    if (presence.value === 'online') parts.push(t('presence.online'))
    if (failed.value) parts.push(t('chats.failed', failed.value))
    if (unread_count) parts.push(t('chats.row.unread', unread_count))
    parts.push(t('chats.row.last', { text: `${author} ${text}`.trim().slice(0, 120) }))
    parts.push(
      now.value.toDateString() === at.value.toDateString()
        ? clock(at.value, timeLocale.value)
        : time.value,
    )
    return parts.join(', ')
  })

  return { title, face, presence, failed, typing, draft, time, tick, preview, label }
}
