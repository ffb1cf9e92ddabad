import { computed, inject, provide, ref, type ComputedRef, type InjectionKey, type Ref } from 'vue'
import type { Block } from '@/lib/blocks'

const injection: InjectionKey<ComputedRef<string | null>> = Symbol('currentMessage')

function lastKey(blocks: Block[]): string | null {
  const block = blocks.findLast((other) => other.type === 'cluster')
  return block?.type === 'cluster' ? block.rows[block.rows.length - 1]!.key : null
}

/**
 * The one message that the Tab key reaches: the one that had the focus, else the last. The arrow
 * keys go on from there, so that the composer stays one step away.
 */
export function provideCurrentMessage(visible: Ref<Block[]>) {
  const focused = ref<string | null>(null)
  const current = computed(() => {
    const held = visible.value.some(
      (block) => block.type === 'cluster' && block.rows.some((row) => row.key === focused.value),
    )
    return held ? focused.value : lastKey(visible.value)
  })
  provide(injection, current)
  return {
    onFocus(event: FocusEvent): void {
      const article = (event.target as HTMLElement).closest<HTMLElement>('[data-key]')
      if (article) focused.value = article.dataset.key ?? null
    },
  }
}

export function useCurrentMessage(): ComputedRef<string | null> {
  return inject(injection, () => computed(() => null), true)
}
