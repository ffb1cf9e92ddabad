// Keeps a few screens of blocks in the document and the reader's place in them.
//
// The blocks stand in normal flow between two spacers. Whatever changes above (older messages, a
// font, a wider window), the message at the top edge is put back to where it was, measured on the
// element itself, so a wrong guess about heights elsewhere never moves what is being read.
import { computed, nextTick, onBeforeUnmount, onMounted, ref, watch, type Ref } from 'vue'
import type { Block } from '@/lib/blocks'

export interface Place {
  key: string
  /** Distance of the message's upper edge from that of the viewport. */
  offset: number
}

export interface ScrollWindowOptions {
  scroller: Ref<HTMLElement | null>
  content: Ref<HTMLElement | null>
  blocks: Ref<Block[]>
  /** Whether the last block is the end of the conversation. */
  reachesEnd: Ref<boolean>
  /** Something moved or was drawn: look whether more is needed. */
  moved: () => void
}

const near_px = 80

function guess(block: Block): number {
  if (block.type !== 'cluster') return 44
  const texts = block.rows.reduce(
    (sum, row) => sum + 19 + 21 * Math.ceil(((row.message.body?.length ?? 0) + 1) / 60),
    0,
  )
  return texts + 14
}

export function useScrollWindow(options: ScrollWindowOptions) {
  const { scroller, content, blocks, reachesEnd } = options
  const heights = new Map<string, number>()
  const first = ref(0)
  const last = ref(0)
  const before = ref(0)
  const after = ref(0)
  /** At the end, or nearly: new messages pull the view along. */
  const atEnd = ref(true)
  const visible = computed(() => blocks.value.slice(first.value, last.value))

  let place: Place | null = null
  let stick = true
  /** The scroll position that `place` belongs to. */
  let known = 0
  let viewport = 0

  const indexOf = computed(() => {
    const index = new Map<string, number>()
    blocks.value.forEach((block, at) => {
      if (block.type === 'cluster') for (const row of block.rows) index.set(row.key, at)
      else if (block.type === 'note') index.set(block.row.key, at)
    })
    return index
  })

  const heightOf = (block: Block) => heights.get(block.key) ?? guess(block)

  /** Chooses the blocks around `index`, or those at the end. */
  function choose(index: number | 'end'): void {
    const list = blocks.value
    const view = scroller.value?.clientHeight || innerHeight
    let from = index === 'end' ? list.length : Math.min(index, list.length)
    let to = from
    const above = index === 'end' ? 2.5 * view : 1.5 * view
    for (let sum = 0; from > 0 && sum < above; from -= 1) sum += heightOf(list[from - 1]!)
    for (let sum = 0; to < list.length && sum < 2.5 * view; to += 1) sum += heightOf(list[to]!)
    first.value = from
    last.value = to
    let sum = 0
    for (let at = 0; at < from; at += 1) sum += heightOf(list[at]!)
    before.value = sum
    sum = 0
    for (let at = to; at < list.length; at += 1) sum += heightOf(list[at]!)
    after.value = sum
  }

  function layout(): void {
    const index = stick || !place ? 'end' : indexOf.value.get(place.key)
    choose(index ?? Math.min(first.value + 2, blocks.value.length))
  }

  function element(key: string): HTMLElement | null {
    return content.value?.querySelector(`[data-key="${CSS.escape(key)}"]`) ?? null
  }

  function measure(): void {
    for (const child of content.value?.querySelectorAll<HTMLElement>('[data-block]') ?? []) {
      heights.set(child.dataset.block!, child.getBoundingClientRect().height)
    }
  }

  /** Remembers which message stands at the upper edge. */
  function capture(): void {
    const box = scroller.value
    if (!box || !content.value) return
    const top = box.getBoundingClientRect().top
    known = box.scrollTop
    for (const child of content.value.querySelectorAll<HTMLElement>('[data-key]')) {
      const rect = child.getBoundingClientRect()
      if (rect.bottom > top + 1) {
        place = { key: child.dataset.key!, offset: rect.top - top }
        return
      }
    }
  }

  function restore(): void {
    const box = scroller.value
    if (!box) return
    if (stick) {
      box.scrollTop = box.scrollHeight
      known = box.scrollTop
      return
    }
    const child = place && element(place.key)
    if (!child || !place) return
    const moved = child.getBoundingClientRect().top - box.getBoundingClientRect().top - place.offset
    if (Math.abs(moved) > 0.4) box.scrollTop += moved
    known = box.scrollTop
  }

  /** Draws the window for the current place; repeats when guesses turn out too small. */
  async function settle(): Promise<void> {
    for (let round = 0; round < 4; round += 1) {
      layout()
      await nextTick()
      measure()
      restore()
      if (!tooSmall()) break
    }
    see()
  }

  function edges() {
    const box = scroller.value!
    const top = box.scrollTop
    const upper = content.value!.offsetTop + before.value
    const lower = content.value!.offsetTop + content.value!.offsetHeight - after.value
    return { top, bottom: top + box.clientHeight, upper, lower, view: box.clientHeight }
  }

  function tooSmall(): boolean {
    if (!scroller.value || !content.value) return false
    const { top, bottom, upper, lower, view } = edges()
    return (
      (first.value > 0 && top < upper + view / 2) ||
      (last.value < blocks.value.length && bottom > lower - view / 2)
    )
  }

  function see(): void {
    const box = scroller.value
    if (!box) return
    const rest = box.scrollHeight - box.scrollTop - box.clientHeight
    atEnd.value = reachesEnd.value && rest <= near_px
    options.moved()
  }

  function onScroll(): void {
    const box = scroller.value
    if (!box || !content.value) return
    const { top, bottom, upper, lower } = edges()
    if (bottom < upper || top > lower) {
      // Thrown into a spacer by the scroll bar: find the blocks by their heights.
      stick = false
      let sum = content.value.offsetTop
      let index = 0
      while (index < blocks.value.length - 1 && sum < top) {
        sum += heightOf(blocks.value[index]!)
        index += 1
      }
      choose(index)
      void nextTick(() => {
        measure()
        capture()
        see()
      })
      return
    }
    capture()
    const rest = box.scrollHeight - box.scrollTop - box.clientHeight
    stick = reachesEnd.value && last.value === blocks.value.length && rest <= 2
    if (tooSmall()) void settle()
    else see()
  }

  // Runs before the document changes, while the old places can still be measured.
  watch(
    blocks,
    (now, old) => {
      if (!scroller.value) return
      const end = now[now.length - 1]
      const grew = endKey(end) !== endKey(old[old.length - 1])
      if (!stick) {
        if (grew && atEnd.value && old.length > 0) stick = true
        else if (old.length > 0 && !pending) capture()
      }
      void settle()
    },
    { flush: 'pre' },
  )

  /** A place was asked for and is not reached yet; what stands there now does not matter. */
  let pending = false

  const observer =
    'ResizeObserver' in window
      ? new ResizeObserver(() => {
          const box = scroller.value
          if (!box) return
          if (viewport && box.clientHeight !== viewport && atEnd.value) stick = true
          viewport = box.clientHeight
          // Scrolled since, and the event is yet to come: then the reader's wish counts.
          if (stick || Math.abs(box.scrollTop - known) < 1) restore()
          else capture()
          measure()
          if (tooSmall()) void settle()
        })
      : null

  onMounted(() => {
    if (scroller.value) observer?.observe(scroller.value)
    if (content.value) observer?.observe(content.value)
  })
  onBeforeUnmount(() => observer?.disconnect())

  return {
    visible,
    before,
    after,
    atEnd,
    onScroll,
    settle,
    element,
    /** Where the reader is; null at the end. */
    whereabouts: (): Place | null => (atEnd.value ? null : place),
    async toEnd(): Promise<void> {
      stick = true
      await settle()
    },
    async toPlace(wanted: Place): Promise<void> {
      stick = false
      pending = true
      place = wanted
      await settle()
      pending = false
      capture()
    },
  }
}

function endKey(block: Block | undefined): string | undefined {
  if (block?.type === 'cluster') return block.rows[block.rows.length - 1]!.key
  return block?.key
}
