import { reactive, ref } from 'vue'
import { useRoute, useRouter } from 'vue-router'
import { api, ApiError, type Me } from '@/api'
import { errorText } from '@/i18n'
import { startSession, useMessenger } from '@/model'

/** Sends a log-in form; faults go to their field, or to `general` where there is none. */
export function useAuthForm(submit: () => Promise<{ user: Me }>) {
  const route = useRoute()
  const router = useRouter()
  const store = useMessenger()
  const busy = ref(false)
  const general = ref('')
  const errors = reactive<Record<string, string>>({})

  async function send(): Promise<void> {
    busy.value = true
    general.value = ''
    for (const field of Object.keys(errors)) delete errors[field]
    try {
      const { user } = await submit()
      if (store.config) store.config = { ...store.config, setup_required: false }
      await startSession(user)
      await router.replace(String(route.query.to ?? '/'))
    } catch (error) {
      report(error)
    } finally {
      busy.value = false
    }
  }

  function report(error: unknown): void {
    if (!(error instanceof ApiError)) throw error
    for (const [field, code] of Object.entries(error.fields)) errors[field] = errorText(code)
    const field = fieldOf[error.code]
    if (field) errors[field] ??= errorText(error.code)
    if (Object.keys(errors).length === 0) general.value = errorText(error.code)
    // Somebody else was quicker with the set-up: read anew what this server wants.
    if (error.code === 'registration_closed') {
      void api.config().then((config) => (store.config = config))
    }
  }

  return { busy, general, errors, send }
}

const fieldOf: Record<string, string> = {
  username_taken: 'username',
  username_invalid: 'username',
  username_reserved: 'username',
  display_name_invalid: 'display_name',
  password_too_short: 'password',
  password_common: 'password',
  invite_required: 'invite',
}
