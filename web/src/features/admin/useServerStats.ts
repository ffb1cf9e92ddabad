import { computed, onScopeDispose, ref, shallowRef, watch } from 'vue'
import { adminApi, ApiError, type AppStats, type Period, type ServerStats } from '@/api'
import { lastOf, perSecond, sumOf } from './chart'

const refresh_ms = 10_000

/** The server's numbers over a period, asked for anew every ten seconds while the page is seen. */
export function useServerStats() {
  const period = ref<Period>('1h')
  const stats = shallowRef<ServerStats | null>(null)
  const error = ref<string | null>(null)
  let asked = 0

  async function load(): Promise<void> {
    const turn = ++asked
    try {
      const answer = await adminApi.stats(period.value)
      if (turn !== asked) return
      stats.value = answer
      error.value = null
    } catch (failure) {
      if (turn === asked) error.value = failure instanceof ApiError ? failure.code : 'unknown'
    }
  }

  watch(period, load, { immediate: true })
  const timer = setInterval(() => {
    if (document.visibilityState === 'visible') void load()
  }, refresh_ms)
  onScopeDispose(() => {
    asked = -1
    clearInterval(timer)
  })

  const sum = (pick: (app: AppStats) => (number | null)[]) =>
    sumOf((stats.value?.apps ?? []).map(pick))
  const total = (pick: (app: AppStats) => number) =>
    (stats.value?.apps ?? []).reduce((all, app) => all + pick(app), 0)

  const whole = (series: (number | null)[]) => series.reduce<number>((all, n) => all + (n ?? 0), 0)

  function rate(pick: (app: AppStats) => (number | null)[]) {
    const { step_s, from } = stats.value ?? { step_s: 10, from: new Date().toISOString() }
    const series = sum(pick)
    const newestBegan = Date.parse(from) + (series.length - 1) * step_s * 1000
    const newest_s = Math.min(step_s, Math.max(10, (Date.now() - newestBegan) / 1000))
    return perSecond(series, step_s, newest_s)
  }

  const connections = computed(() => sum((app) => app.series.connections_peak))
  const sent = computed(() => rate((app) => app.series.messages_sent))
  const received = computed(() =>
    sumOf([rate((app) => app.series.frames_received), rate((app) => app.series.api_messages)]),
  )
  return {
    period,
    stats,
    error,
    load,
    connections,
    sent,
    received,
    sentNow: computed(() => lastOf(sent.value) ?? 0),
    receivedNow: computed(() => lastOf(received.value) ?? 0),
    refusals: computed(
      () => total((app) => app.totals.refusals) + (stats.value?.strangers_refused ?? 0),
    ),
    slow: computed(() => total((app) => app.totals.closed.slow ?? 0)),
    sentTotal: computed(() => whole(sum((app) => app.series.messages_sent))),
    receivedTotal: computed(
      () =>
        whole(sum((app) => app.series.frames_received)) +
        whole(sum((app) => app.series.api_messages)),
    ),
  }
}
