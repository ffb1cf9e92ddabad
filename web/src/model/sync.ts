// Catching up: after it has run, everything the server committed before it began is here, and
// everything later arrives as an event. It runs on every subscription, on demand and now and then.
import { ApiError, type Api } from '@/api'
import type { Messenger } from './store'

export interface SyncOptions {
  api: Pick<Api, 'sync' | 'changes' | 'changesOfMany' | 'conversation'>
  store: Messenger
  cursor: () => string | null
  /** Stores what was applied, then the cursor, in this order. */
  keepCursor: (cursor: string) => Promise<void>
  forgetCursor: () => void
  openConversation: () => number | null
  /** The server counts fewer as seen than were seen here: an earlier receipt got lost. */
  unconfirmed: (conversation: number, seen_seq: number) => void
  /** Somebody else is logged in by now than the one whose data is held. */
  stranger: () => void
  /** Live again: send what waits, acknowledge what came. */
  caughtUp: () => void
}

const batch = 100

export function createSync(options: SyncOptions) {
  const { api, store } = options
  let running: Promise<void> | null = null
  let again = false

  async function changesOf(id: number): Promise<void> {
    for (;;) {
      const timeline = store.timelines.get(id)
      if (!timeline) return
      const changes = await api.changes(id, timeline.rev)
      store.applyChanges(id, changes)
      if (!changes.has_more || changes.reset) return
    }
  }

  /** Closes a hole in one conversation. */
  async function repair(id: number): Promise<void> {
    try {
      await changesOf(id)
      const item = await api.conversation(id)
      // Who left may still read, but it is not in the list.
      if (item.my.left_at) store.removeItem(id)
      else store.applyItem(item)
    } catch (error) {
      if (!(error instanceof ApiError && error.status === 404)) throw error
      store.removeItem(id)
    }
  }

  async function pages(): Promise<string> {
    let cursor = options.cursor()
    for (;;) {
      const page = await api.sync(cursor)
      if (page.user.me.id !== store.myId) {
        options.stranger()
        throw new ApiError(401, 'unauthenticated')
      }
      store.applyMe(page.user.me)
      for (const item of page.items) {
        const { id } = item.conversation
        const seen = store.items.get(id)?.my.seen_seq ?? 0
        store.applyItem(item)
        if (seen > item.my.seen_seq) options.unconfirmed(id, seen)
      }
      for (const id of page.removed) store.removeItem(id)
      for (const place of page.user.hidden_messages) store.hideMessage(place)
      store.listReady = true
      store.listError = null
      cursor = page.cursor
      if (!page.has_more) return cursor
    }
  }

  function behind(): number[] {
    const open = options.openConversation()
    return [...store.timelines]
      .filter(([id, { rev }]) => rev < (store.items.get(id)?.conversation.last_rev ?? 0))
      .map(([id]) => id)
      .sort((a, b) => Number(b === open) - Number(a === open))
  }

  async function once(): Promise<void> {
    store.hold()
    store.updating = true
    try {
      const cursor = await pages()
      const late = behind()
      if (late[0] !== undefined && late[0] === options.openConversation()) {
        await changesOf(late.shift()!)
      }
      for (let start = 0; start < late.length; start += batch) {
        const items = late.slice(start, start + batch).map((id) => ({
          conversation_id: id,
          after_rev: store.timelines.get(id)!.rev,
        }))
        const answer = await api.changesOfMany(items)
        for (const changes of answer.items) {
          if (changes.error) continue
          store.applyChanges(changes.conversation_id, changes)
          if (changes.has_more && !changes.reset) await changesOf(changes.conversation_id)
        }
      }
      store.release()
      await options.keepCursor(cursor)
      options.caughtUp()
    } catch (error) {
      const codes = ['cursor_invalid', 'cursor_expired']
      if (error instanceof ApiError && codes.includes(error.code)) options.forgetCursor()
      throw error
    } finally {
      store.release()
      store.updating = false
    }
  }

  /** Runs at once, or once more after the run that is under way. */
  function run(): Promise<void> {
    if (running) {
      again = true
      return running
    }
    running = (async () => {
      try {
        do {
          again = false
          await once()
        } while (again)
      } finally {
        running = null
      }
    })()
    return running
  }

  return { run, repair }
}
