// What people and conversations are called on the screen.
import { useI18n } from 'vue-i18n'
import { api, type ListItem, type User } from '@/api'
import { useMessenger } from './store'

const asked = new Set<number>()

export function useNames() {
  const { t } = useI18n()
  const store = useMessenger()

  function nameOfUser(user: User): string {
    return user.deleted ? t('chats.deletedPerson') : user.display_name || user.username
  }

  /** The name of a person; one we have never met is looked up once. */
  function nameOf(id: number): string {
    const user = store.people.get(id)
    if (user) return nameOfUser(user)
    if (!asked.has(id) && id) {
      asked.add(id)
      api.user(id).then(store.applyPerson, () => {})
    }
    return t('chats.unknownPerson')
  }

  function titleOf(item: ListItem): string {
    if (item.conversation.kind === 'self') return t('chats.saved')
    if (item.conversation.kind === 'group') return item.conversation.title ?? ''
    return item.peer ? nameOf(item.peer.id) : t('chats.deletedPerson')
  }

  function faceOf(item: ListItem): { id: number; shape: 'person' | 'group' | 'self' } {
    if (item.conversation.kind === 'self') return { id: 0, shape: 'self' }
    if (item.conversation.kind === 'group') return { id: item.conversation.id, shape: 'group' }
    return { id: item.peer?.id ?? 0, shape: 'person' }
  }

  /** The sentence of a system note. */
  function noteText(message: {
    author_id: number
    system?: { event: string; data: { user_ids?: number[]; [name: string]: unknown } }
  }): string {
    const own = message.author_id === store.myId
    const actor = nameOf(message.author_id)
    const people = () => listOf((message.system?.data.user_ids ?? []).map(nameOf))
    switch (message.system?.event) {
      case 'created':
        return own ? t('message.system.createdYou') : t('message.system.created', { actor })
      case 'members_added':
        return own
          ? t('message.system.addedYou', { people: people() })
          : t('message.system.added', { actor, people: people() })
      default:
        return t('message.system.other', { actor })
    }
  }

  return { nameOf, nameOfUser, titleOf, faceOf, noteText }
}

const formatter = new Intl.ListFormat('en', { type: 'conjunction' })

function listOf(names: string[]): string {
  return formatter.format(names)
}
