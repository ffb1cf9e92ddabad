// The browser's own copy, per user: shown first, then confirmed by the server. Everything works
// without it, so a blocked or full store is not an error.
import { deleteDB, openDB, type DBSchema, type IDBPDatabase } from 'idb'
import type { ListItem, Me, Message, User } from '@/api'
import type { OutboxEntry } from './outbox'
import type { DraftText } from './store'
import type { Timeline } from './timeline'

interface StoredTimeline {
  conversation_id: number
  rev: number
  floor: number | null
  messages: Message[]
}

interface Schema extends DBSchema {
  meta: { key: string; value: unknown }
  items: { key: number; value: ListItem }
  people: { key: number; value: User }
  timelines: { key: number; value: StoredTimeline }
  drafts: { key: number; value: DraftText }
  outbox: { key: string; value: OutboxEntry }
}

type Table = 'items' | 'people' | 'timelines' | 'drafts' | 'outbox'

const version = 1
const messagesMax = 200
const conversationsMax = 200
const userKey = 'chinwag.user'

export interface Snapshot {
  cursor: string | null
  me: Me | null
  items: ListItem[]
  people: User[]
  timelines: [number, Timeline][]
  drafts: [number, DraftText][]
  outbox: OutboxEntry[]
}

/** The newest messages without a hole, as they are stored. */
export function toStored(id: number, timeline: Timeline): StoredTimeline | null {
  const range = timeline.ranges[timeline.ranges.length - 1]
  if (!range) return null
  const first = Math.max(range[0], range[1] - messagesMax + 1)
  const messages: Message[] = []
  for (let seq = first; seq <= range[1]; seq += 1) {
    const message = timeline.messages.get(seq)
    if (message) messages.push(message)
  }
  return { conversation_id: id, rev: timeline.rev, floor: timeline.floor, messages }
}

export function fromStored(stored: StoredTimeline): Timeline {
  const { rev, floor, messages } = stored
  const first = messages[0]?.seq
  const last = messages[messages.length - 1]?.seq
  return {
    rev,
    floor,
    ranges: first !== undefined && last !== undefined ? [[first, last]] : [],
    messages: new Map(messages.map((message) => [message.seq, message])),
  }
}

export async function openCache(user: number) {
  const name = `chinwag.${user}`
  let db: IDBPDatabase<Schema> | null = null
  try {
    db = await openDB<Schema>(name, version, {
      upgrade(database) {
        database.createObjectStore('meta')
        for (const table of ['items', 'people', 'timelines', 'drafts', 'outbox'] as const) {
          database.createObjectStore(table)
        }
      },
      blocking: () => db?.close(),
    })
    localStorage.setItem(userKey, String(user))
  } catch {
    db = null
  }

  async function quietly<T>(work: (database: IDBPDatabase<Schema>) => Promise<T>, other: T) {
    if (!db) return other
    try {
      return await work(db)
    } catch {
      return other
    }
  }

  return {
    load: (): Promise<Snapshot> =>
      quietly(
        async (database) => {
          const [cursor, me, items, people, timelines, draftKeys, drafts, outbox] =
            await Promise.all([
              database.get('meta', 'cursor'),
              database.get('meta', 'me'),
              database.getAll('items'),
              database.getAll('people'),
              database.getAll('timelines'),
              database.getAllKeys('drafts'),
              database.getAll('drafts'),
              database.getAll('outbox'),
            ])
          return {
            cursor: (cursor as string | undefined) ?? null,
            me: (me as Me | undefined) ?? null,
            items,
            people,
            timelines: timelines.map((stored): [number, Timeline] => [
              stored.conversation_id,
              fromStored(stored),
            ]),
            drafts: drafts.map((draft, index): [number, DraftText] => [draftKeys[index]!, draft]),
            outbox: outbox.sort((a, b) => a.created_at.localeCompare(b.created_at)),
          }
        },
        { cursor: null, me: null, items: [], people: [], timelines: [], drafts: [], outbox: [] },
      ),
    put: <T extends Table>(table: T, key: Schema[T]['key'], value: Schema[T]['value']) =>
      quietly(async (database) => {
        // Reactive proxies cannot be cloned into the store; what is stored is plain JSON anyway.
        await database.put(table, JSON.parse(JSON.stringify(value)), key)
      }, undefined),
    remove: <T extends Table>(table: T, key: Schema[T]['key']) =>
      quietly((database) => database.delete(table, key), undefined),
    setMeta: (key: 'cursor' | 'me', value: unknown) =>
      quietly(async (database) => {
        await database.put('meta', JSON.parse(JSON.stringify(value)), key)
      }, undefined),
    outbox: () => quietly((database) => database.getAll('outbox'), [] as OutboxEntry[]),
    /** Drops the histories of all but the most recent conversations. */
    trim: (recent: number[]) =>
      quietly(async (database) => {
        const keep = new Set(recent.slice(0, conversationsMax))
        for (const key of await database.getAllKeys('timelines')) {
          if (!keep.has(key)) await database.delete('timelines', key)
        }
      }, undefined),
    close: () => db?.close(),
    async wipe(): Promise<void> {
      db?.close()
      db = null
      try {
        localStorage.removeItem(userKey)
        await deleteDB(name)
      } catch {
        // Nothing was kept, then.
      }
    },
  }
}

export type Cache = Awaited<ReturnType<typeof openCache>>
