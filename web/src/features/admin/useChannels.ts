import { onMounted, ref, watch } from 'vue'
import { adminApi, ApiError, type ChannelSummary } from '@/api'

/** An app's channels, page by page. */
export function useChannels() {
  const apps = ref<string[]>([])
  const app = ref('')
  const prefix = ref('')
  const channels = ref<ChannelSummary[]>([])
  const cursor = ref<string | null>(null)
  const error = ref<string | null>(null)
  const loaded = ref(false)
  let asked = 0

  const codeOf = (failure: unknown) => (failure instanceof ApiError ? failure.code : 'unknown')

  async function fetchPage(after: string | null): Promise<void> {
    const turn = ++asked
    error.value = null
    try {
      if (!app.value) {
        apps.value = (await adminApi.apps()).items.map((one) => one.id)
        app.value = apps.value[0] ?? ''
        return
      }
      const query = { prefix: prefix.value || undefined, cursor: after }
      const page = await adminApi.channels(app.value, query)
      if (turn !== asked) return
      channels.value = after ? [...channels.value, ...page.items] : page.items
      cursor.value = page.next_cursor
      loaded.value = true
    } catch (failure) {
      if (turn === asked) error.value = codeOf(failure)
    }
  }

  const load = () => fetchPage(null)
  onMounted(load)
  watch([app, prefix], load)
  return {
    apps,
    app,
    prefix,
    channels,
    cursor,
    error,
    loaded,
    load,
    more: () => fetchPage(cursor.value),
  }
}
