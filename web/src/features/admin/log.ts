// The live log as it is shown: newest first, at most so many, standing still while it is paused.
import { computed, reactive, ref } from 'vue'

export const entryTypes = [
  'connection',
  'disconnection',
  'occupied',
  'vacated',
  'subscribed',
  'unsubscribed',
  'client_event',
  'api_message',
  'refusal',
] as const

export type EntryType = (typeof entryTypes)[number]

export interface LogEntry {
  at: string
  type: EntryType
  app: string | null
  channel: string | null
  socket_id: string | null
  event: string | null
  detail: string | null
  bytes: number | null
  data: string | null
  cut: boolean
}

export interface LogBatch {
  entries: LogEntry[]
  left_out: number
}

export interface LogRow extends LogEntry {
  /** Its place among all that ever came. */
  number: number
}

export function createLog(limit = 500) {
  const rows = ref<LogRow[]>([])
  const held = ref<LogRow[]>([])
  const paused = ref(false)
  const leftOut = ref(0)
  const filter = reactive({ app: '', type: '' as EntryType | '' })
  let count = 0

  function put(newer: LogRow[], older: LogRow[]): LogRow[] {
    return [...newer, ...older].slice(0, limit)
  }

  function add(batch: LogBatch): void {
    const newer = batch.entries.map((entry) => ({ ...entry, number: ++count })).reverse()
    leftOut.value += batch.left_out
    const place = paused.value ? held : rows
    place.value = put(newer, place.value)
  }

  function toggle(): void {
    paused.value = !paused.value
    if (paused.value) return
    rows.value = put(held.value, rows.value)
    held.value = []
  }

  const shown = computed(() =>
    rows.value.filter(
      (row) =>
        (!filter.app || row.app === filter.app) && (!filter.type || row.type === filter.type),
    ),
  )

  return { shown, held, paused, leftOut, filter, add, toggle }
}

export type Log = ReturnType<typeof createLog>

/** JSON laid out for reading; anything else, or JSON that was cut, as it is. */
export function readable(data: string): string {
  try {
    return JSON.stringify(JSON.parse(data), null, 2)
  } catch {
    return data
  }
}
