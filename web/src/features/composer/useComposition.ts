// Whether Enter means "send". While an input method composes, Enter belongs to it: also the one
// that ends the composition, whose keydown some browsers deliver after compositionend.

const justEnded_ms = 50

export function useComposition(now: () => number = () => performance.now()) {
  let composing = false
  let endedAt = -Infinity

  return {
    start(): void {
      composing = true
    },
    end(): void {
      composing = false
      endedAt = now()
    },
    sends(event: Pick<KeyboardEvent, 'key' | 'isComposing' | 'shiftKey' | 'altKey' | 'keyCode'>) {
      if (event.key !== 'Enter' || event.shiftKey || event.altKey) return false
      if (event.isComposing || composing) return false
      // 229 is what a keydown carries that the input method has swallowed (Safari); alone it says
      // nothing, together with an end a moment ago it is the key that ended the composition.
      return !(event.keyCode === 229 && now() - endedAt < justEnded_ms)
    },
  }
}
