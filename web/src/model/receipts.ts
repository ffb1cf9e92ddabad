// Tells the server how far this device got: delivered in short batches, seen at most once a second.
import type { ReceiptItem } from '@/api'

export interface ReceiptsOptions {
  post: (items: ReceiptItem[], keepalive: boolean) => Promise<void>
}

export function createReceipts(options: ReceiptsOptions) {
  const pending = new Map<number, ReceiptItem>()
  let timer: ReturnType<typeof setTimeout> | undefined
  let due = Infinity
  let lastSeenFlush = -Infinity

  function note(id: number, change: Partial<ReceiptItem>, wait_ms: number): void {
    const held = pending.get(id)
    pending.set(id, {
      conversation_id: id,
      delivered_seq: Math.max(held?.delivered_seq ?? 0, change.delivered_seq ?? 0),
      seen_seq: Math.max(held?.seen_seq ?? 0, change.seen_seq ?? 0),
    })
    const at = Date.now() + wait_ms
    if (at >= due) return
    due = at
    clearTimeout(timer)
    timer = setTimeout(() => void flush(), wait_ms)
  }

  async function flush(keepalive = false): Promise<void> {
    clearTimeout(timer)
    due = Infinity
    const items = [...pending.values()].slice(0, 100).map((item) => ({
      conversation_id: item.conversation_id,
      ...(item.delivered_seq ? { delivered_seq: item.delivered_seq } : {}),
      ...(item.seen_seq ? { seen_seq: item.seen_seq } : {}),
    }))
    if (items.length === 0) return
    for (const item of items) pending.delete(item.conversation_id)
    if (items.some((item) => item.seen_seq)) lastSeenFlush = Date.now()
    try {
      await options.post(items, keepalive)
    } catch {
      // Kept for the next occasion: a later receipt, or the synchronisation after a reconnect.
      for (const item of items) {
        const { conversation_id, delivered_seq = 0, seen_seq = 0 } = item
        const held = pending.get(conversation_id)
        pending.set(conversation_id, {
          conversation_id,
          delivered_seq: Math.max(held?.delivered_seq ?? 0, delivered_seq),
          seen_seq: Math.max(held?.seen_seq ?? 0, seen_seq),
        })
      }
      return
    }
    if (pending.size) note([...pending.keys()][0]!, {}, 250)
  }

  return {
    delivered: (id: number, seq: number, group: boolean) =>
      note(id, { delivered_seq: seq }, group ? 1000 : 250),
    seen: (id: number, seq: number) =>
      note(
        id,
        { delivered_seq: seq, seen_seq: seq },
        Math.max(0, lastSeenFlush + 1000 - Date.now()),
      ),
    flush,
    stop(): void {
      clearTimeout(timer)
      pending.clear()
    },
  }
}

export type Receipts = ReturnType<typeof createReceipts>
