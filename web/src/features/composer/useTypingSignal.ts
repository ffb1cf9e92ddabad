// Tells the others that somebody is writing: at once, then every few seconds, and when it stops.

const idle_ms = 5_000

export function useTypingSignal(send: (stop: boolean) => void, repeat_s: () => number) {
  let last = -Infinity
  let active = false
  let timer: ReturnType<typeof setTimeout> | undefined

  function stop(): void {
    clearTimeout(timer)
    if (!active) return
    active = false
    last = -Infinity
    send(true)
  }

  function changed(empty: boolean): void {
    if (empty) return stop()
    clearTimeout(timer)
    timer = setTimeout(stop, idle_ms)
    active = true
    if (Date.now() - last < 1_000 * repeat_s()) return
    last = Date.now()
    send(false)
  }

  return { changed, stop }
}
