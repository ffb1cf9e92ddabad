// Local days and clock times. Formatters are kept, since making one costs more than using it.

const formatters = new Map<string, Intl.DateTimeFormat>()

function format(date: Date, locale: string, options: Intl.DateTimeFormatOptions): string {
  const key = locale + JSON.stringify(options)
  let formatter = formatters.get(key)
  if (!formatter) formatters.set(key, (formatter = new Intl.DateTimeFormat(locale, options)))
  return formatter.format(date)
}

/** A number that is the same for all instants of one local day and one higher the next day. */
export function dayOf(date: Date): number {
  return Math.floor(Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) / 86_400_000)
}

const halves = new Map<string, boolean>()

/** Whether a locale counts two times twelve hours. */
export function isHalfDay(locale: string): boolean {
  let half = halves.get(locale)
  if (half === undefined) {
    half = new Intl.DateTimeFormat(locale, { hour: 'numeric' }).resolvedOptions().hour12 === true
    halves.set(locale, half)
  }
  return half
}

/** "14:05", or "2:05 pm" where that is the custom. */
export function clock(date: Date, locale: string): string {
  const hour = isHalfDay(locale) ? 'numeric' : '2-digit'
  const text = format(date, locale, { hour, minute: '2-digit' })
  return text.replace(/\s?([AP])M$/i, (_, half: string) => `\u00a0${half.toLowerCase()}m`)
}

export interface DayWords {
  today: string
  yesterday: string
}

/** "Today", "Yesterday", "12 March" or, in another year, with the year. */
export function dayLabel(date: Date, now: Date, locale: string, words: DayWords): string {
  const age = dayOf(now) - dayOf(date)
  if (age === 0) return words.today
  if (age === 1) return words.yesterday
  const year = date.getFullYear() === now.getFullYear() ? undefined : 'numeric'
  return format(date, locale, { day: 'numeric', month: 'long', year })
}

/** The short time at the end of a row: a clock today, then a word, a weekday, a date. */
export function rowTime(date: Date, now: Date, locale: string, words: DayWords): string {
  const age = dayOf(now) - dayOf(date)
  if (age <= 0) return clock(date, locale)
  if (age === 1) return words.yesterday
  if (age < 7) return format(date, locale, { weekday: 'short' })
  if (date.getFullYear() === now.getFullYear()) {
    return format(date, locale, { day: 'numeric', month: 'short' })
  }
  return format(date, locale, { day: 'numeric', month: 'numeric', year: '2-digit' })
}

export function fullTime(date: Date, locale: string): string {
  return format(date, locale, { dateStyle: 'long', timeStyle: 'short' })
}
