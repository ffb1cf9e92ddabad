import { reactive, ref, watch } from 'vue'
import { useI18n } from 'vue-i18n'
import { adminApi, ApiError } from '@/api'
import { errorText } from '@/i18n'

type Field = 'channel' | 'name' | 'data'

/** The event creator: what is typed, what is wrong with it, and what became of it. */
export function useEventForm(apps: () => string[]) {
  const { t } = useI18n()
  const form = reactive({ app: '', channel: '', name: '', data: '{}' })
  const errors = reactive<Partial<Record<Field, string>>>({})
  const busy = ref(false)
  const reached = ref<number | null>(null)
  const failure = ref<string | null>(null)

  watch(
    apps,
    (known) => {
      if (!known.includes(form.app)) form.app = known[0] ?? ''
    },
    { immediate: true },
  )
  for (const field of ['channel', 'name', 'data'] as const) {
    watch(
      () => form[field],
      () => delete errors[field],
    )
  }

  /** The data, once all fields are as they have to be. */
  function checked(): { data: string } | null {
    if (!form.channel.trim()) errors.channel = t('admin.event.channelMissing')
    if (!form.name.trim()) errors.name = t('admin.event.nameMissing')
    try {
      // As text, which the server passes on as it is, with its fields in the order they were typed.
      const data = JSON.stringify(JSON.parse(form.data))
      return errors.channel || errors.name ? null : { data }
    } catch {
      errors.data = t('admin.event.notJson')
      return null
    }
  }

  async function send(): Promise<void> {
    reached.value = null
    failure.value = null
    const good = checked()
    if (!good || busy.value) return
    busy.value = true
    try {
      const event = { channel: form.channel.trim(), name: form.name.trim(), ...good }
      reached.value = (await adminApi.publish(form.app, event)).subscribers
    } catch (error) {
      const { code, fields } =
        error instanceof ApiError
          ? error
          : { code: 'unknown', fields: {} as Record<string, string> }
      for (const field of ['channel', 'name', 'data'] as const) {
        if (fields[field]) errors[field] = errorText(fields[field])
      }
      if (!Object.keys(fields).length) failure.value = errorText(code)
    } finally {
      busy.value = false
    }
  }

  return { form, errors, busy, reached, failure, send }
}
