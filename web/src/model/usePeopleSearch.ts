import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, ApiError, type User } from '@/api'
import { useMessenger } from './store'

const pause_ms = 150

/** Finds people while a name is typed; an answer that comes too late is thrown away. */
export function usePeopleSearch(query: Ref<string>) {
  const store = useMessenger()
  const people = shallowRef<User[]>([])
  const error = ref<string | null>(null)
  /** The query the results belong to. */
  const answered = ref('')
  let timer: ReturnType<typeof setTimeout> | undefined
  let abort: AbortController | undefined

  async function search(): Promise<void> {
    clearTimeout(timer)
    abort?.abort()
    const q = query.value.trim().replace(/^@/, '')
    error.value = null
    if (!q) {
      people.value = []
      answered.value = ''
      return
    }
    const mine = (abort = new AbortController())
    try {
      const { items } = await api.users(q, mine.signal)
      if (mine.signal.aborted) return
      for (const user of items) store.applyPerson(user)
      people.value = items
      answered.value = query.value.trim()
    } catch (failure) {
      if (mine.signal.aborted) return
      people.value = []
      error.value = failure instanceof ApiError ? failure.code : 'unknown'
    }
  }

  watch(query, () => {
    clearTimeout(timer)
    timer = setTimeout(() => void search(), query.value.trim() ? pause_ms : 0)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    abort?.abort()
  })
  return { people, error, answered, search }
}
