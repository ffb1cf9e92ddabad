import { computed } from 'vue'
import { useI18n } from 'vue-i18n'
import { timeLocale } from '@/i18n'

/** Numbers, sizes and spans of time in words. */
export function useFormats() {
  const { t } = useI18n()
  const whole = computed(
    () => new Intl.NumberFormat(timeLocale.value, { maximumFractionDigits: 0 }),
  )
  const fine = computed(() => new Intl.NumberFormat(timeLocale.value, { maximumFractionDigits: 1 }))
  const number = (n: number) => (n < 10 ? fine : whole).value.format(n)

  function bytes(n: number): { n: string; unit: string } {
    const units = ['B', 'KB', 'MB', 'GB'] as const
    let power = 0
    while (n >= 1000 && power < units.length - 1) {
      n /= 1000
      power += 1
    }
    return { n: number(n), unit: t(`admin.units.${units[power]!}`) }
  }

  function span(seconds: number): { n: string; unit: string } {
    const [unit, size] =
      seconds < 120
        ? (['seconds', 1] as const)
        : seconds < 7200
          ? (['minutes', 60] as const)
          : seconds < 172_800
            ? (['hours', 3600] as const)
            : (['days', 86_400] as const)
    const n = Math.floor(seconds / size)
    return { n: whole.value.format(n), unit: t(`admin.units.${unit}`, n) }
  }

  const moment = (iso: string) =>
    new Intl.DateTimeFormat(timeLocale.value, {
      day: 'numeric',
      month: 'long',
      hour: '2-digit',
      minute: '2-digit',
    }).format(new Date(iso))

  return { number, bytes, span, moment }
}
