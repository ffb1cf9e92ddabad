// A message counts as seen once its lower edge has stood in the viewport of a visible, focused page
// for half a second.
import { onBeforeUnmount, onMounted, type Ref } from 'vue'

const stay_ms = 500

export function useSeen(
  scroller: Ref<HTMLElement | null>,
  already: () => number,
  seen: (seq: number) => void,
) {
  const since = new Map<number, number>()
  let timer: ReturnType<typeof setTimeout> | undefined

  function look(): void {
    clearTimeout(timer)
    const box = scroller.value
    if (!box || document.visibilityState !== 'visible' || !document.hasFocus()) {
      since.clear()
      return
    }
    const frame = box.getBoundingClientRect()
    const now = performance.now()
    const done = already()
    const visible = new Set<number>()
    for (const child of box.querySelectorAll<HTMLElement>('[data-seq]')) {
      const seq = Number(child.dataset.seq)
      if (seq <= done) continue
      const { bottom } = child.getBoundingClientRect()
      if (bottom > frame.top && bottom <= frame.bottom + 1) visible.add(seq)
    }
    for (const seq of since.keys()) if (!visible.has(seq)) since.delete(seq)
    let highest = 0
    let next = Infinity
    for (const seq of visible) {
      if (!since.has(seq)) since.set(seq, now)
      const left = since.get(seq)! + stay_ms - now
      if (left <= 0) highest = Math.max(highest, seq)
      else next = Math.min(next, left)
    }
    if (highest) {
      for (const seq of [...since.keys()]) if (seq <= highest) since.delete(seq)
      seen(highest)
    }
    if (next < Infinity) timer = setTimeout(look, next + 5)
  }

  onMounted(() => {
    window.addEventListener('focus', look)
    window.addEventListener('blur', look)
    document.addEventListener('visibilitychange', look)
  })
  onBeforeUnmount(() => {
    clearTimeout(timer)
    window.removeEventListener('focus', look)
    window.removeEventListener('blur', look)
    document.removeEventListener('visibilitychange', look)
  })
  return { look }
}
