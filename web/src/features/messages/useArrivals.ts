// What a screen reader is told: arriving messages only, merged when they come in a burst.
import { onBeforeUnmount, ref, watch, type Ref } from 'vue'
import { useI18n } from 'vue-i18n'
import type { Drawn } from '@/lib/blocks'
import { useMessenger, useNames } from '@/model'

const burst_ms = 2_000
const burstMax = 3

export function useArrivals(drawn: Ref<Drawn[]>): Ref<string> {
  const { t } = useI18n()
  const store = useMessenger()
  const { nameOf } = useNames()
  const announcement = ref('')
  let recent: number[] = []
  let timer: ReturnType<typeof setTimeout> | undefined

  watch(
    () => drawn.value.findLast((entry) => entry.seq !== null),
    (now, old) => {
      if (!old || !now || now.seq! <= old.seq! || now.message.author_id === store.myId) return
      if (now.seq! - old.seq! > 20) return
      const at = Date.now()
      recent = [...recent.filter((time) => at - time < burst_ms), at]
      clearTimeout(timer)
      if (recent.length <= burstMax) {
        announcement.value = t('message.label', {
          author: nameOf(now.message.author_id),
          text: now.message.body ?? '',
        })
      } else {
        timer = setTimeout(() => {
          announcement.value = t('conversation.newMessages', recent.length)
        }, 300)
      }
    },
  )
  onBeforeUnmount(() => clearTimeout(timer))
  return announcement
}
