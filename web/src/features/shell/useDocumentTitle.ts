import { watchEffect } from 'vue'
import { useI18n } from 'vue-i18n'
import { useMessenger } from '@/model'

/** "(3) Chinwag" while something waits. */
export function useDocumentTitle(): void {
  const { t } = useI18n()
  const store = useMessenger()
  watchEffect(() => {
    const title = store.config?.name ?? t('app.name')
    const n = store.unreadTotal
    document.title = n ? t('app.titleUnread', { n, title }) : title
  })
}
