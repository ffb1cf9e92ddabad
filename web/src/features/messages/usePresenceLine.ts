// The second line of a conversation's header.
import { computed, type ComputedRef } from 'vue'
import { useI18n } from 'vue-i18n'
import type { ListItem } from '@/api'
import { timeLocale } from '@/i18n'
import { clock, dayOf, rowTime } from '@/lib/time'
import { useMessenger } from '@/model'
import { useNow } from '@/ui'

export function usePresenceLine(item: () => ListItem): ComputedRef<string> {
  const { t } = useI18n()
  const store = useMessenger()
  const now = useNow()

  function lastSeen(at: Date): string {
    const minutes = Math.floor((now.value.getTime() - at.getTime()) / 60_000)
    if (minutes < 60) return t('presence.seenMinutes', Math.max(minutes, 0))
    const time = clock(at, timeLocale.value)
    const age = dayOf(now.value) - dayOf(at)
    if (age === 0) return t('presence.seenToday', { time })
    if (age === 1) return t('presence.seenYesterday', { time })
    const words = { today: t('chats.today'), yesterday: t('chats.yesterday') }
    return t('presence.seenDate', { date: rowTime(at, now.value, timeLocale.value, words) })
  }

  return computed(() => {
    const { conversation, peer, members } = item()
    if (conversation.kind === 'self') return t('conversation.notes')
    if (conversation.kind === 'group') {
      const count = t('conversation.members', conversation.member_count)
      const online = members.filter(
        ({ user }) => store.presence.get(user.id)?.state === 'online',
      ).length
      // What we knew of others is old while we are offline ourselves.
      if (!online || store.connection !== 'online') return count
      return t('conversation.membersOnline', { members: count, n: online })
    }
    const presence = peer && store.presence.get(peer.id)
    if (!presence || ['offline', 'reconnecting', 'paused'].includes(store.connection)) return ''
    if (presence.state !== 'offline') return t(`presence.${presence.state}`)
    return presence.last_seen_at ? lastSeen(new Date(presence.last_seen_at)) : t('presence.offline')
  })
}
