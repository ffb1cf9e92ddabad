import { describe, expect, it } from 'vitest'
import { reconnectDelay_ms, retryDelay_ms } from './backoff'
import { hueOf, initialsOf, turnOf } from './faces'
import { addRange, rangeAt, type Range } from './ranges'
import { languageOf, textParts } from './text'
import { clock, dayLabel, rowTime } from './time'

describe('ranges', () => {
  it('melt together where they touch or overlap', () => {
    const steps: [number, number, Range[]][] = [
      [5, 8, [[5, 8]]],
      [1, 2, [[1, 2], [5, 8]]],
      [3, 4, [[1, 8]]],
      [7, 12, [[1, 12]]],
      [20, 20, [[1, 12], [20, 20]]],
    ] // prettier-ignore
    let ranges: Range[] = []
    for (const [first, last, expected] of steps) {
      ranges = addRange(ranges, first, last)
      expect(ranges).toEqual(expected)
    }
    expect(rangeAt(ranges, 12)).toEqual([1, 12])
    expect(rangeAt(ranges, 13)).toBeNull()
  })
})

describe('faces', () => {
  it.each([
    ['Sam Whitlock', 'SW'],
    ['Анна Петрова', 'АП'],
    ['赵美琳', '美琳'],
    ['mum', 'M'],
    ['Ruth de la Mare', 'RM'],
    ['李', '李'],
  ])('%s is %s', (name, initials) => expect(initialsOf(name)).toBe(initials))

  it('keep their hue and angle', () => {
    expect([hueOf(1), hueOf(17), turnOf(1), turnOf(13)]).toEqual([255, 335, 330, 330])
  })
})

describe('delays', () => {
  it('grow to half a minute', () => {
    const middle = () => 0.5
    expect([1, 2, 3, 4, 5, 6, 9].map((n) => retryDelay_ms(n, middle))).toEqual([
      1000, 2000, 4000, 8000, 16_000, 30_000, 30_000,
    ])
    expect(reconnectDelay_ms(0, () => 1)).toBe(500)
    expect(reconnectDelay_ms(20, () => 0)).toBe(15_000)
  })
})

describe('texts', () => {
  it.each([
    ['Hello there', undefined],
    ['好的，周六见 OK', 'zh'],
    ['Хорошо, в пятницу', 'ru'],
    ['12:30 🙂', undefined],
  ])('%s is marked %s', (text, language) => expect(languageOf(text)).toBe(language))

  it('keep links as text with an address, without the full stop after them', () => {
    expect(textParts('See https://example.org/a?b=1. Or <b>not</b>')).toEqual([
      { text: 'See ' },
      { text: 'https://example.org/a?b=1', href: 'https://example.org/a?b=1' },
      { text: '. Or <b>not</b>' },
    ])
    expect(textParts('javascript:alert(1)')).toEqual([{ text: 'javascript:alert(1)' }])
  })
})

describe('times', () => {
  const words = { today: 'Today', yesterday: 'Yesterday' }
  const now = new Date(2026, 2, 12, 14, 5)

  it('name days by their distance', () => {
    expect(dayLabel(new Date(2026, 2, 12, 0, 1), now, 'en-GB', words)).toBe('Today')
    expect(dayLabel(new Date(2026, 2, 11, 23, 59), now, 'en-GB', words)).toBe('Yesterday')
    expect(dayLabel(new Date(2026, 0, 2), now, 'en-GB', words)).toBe('2 January')
    expect(dayLabel(new Date(2025, 0, 2), now, 'en-GB', words)).toBe('2 January 2025')
    expect(rowTime(new Date(2026, 2, 9), now, 'en-GB', words)).toBe('Mon')
  })

  it('follow the custom of the region', () => {
    expect(clock(now, 'en-GB')).toBe('14:05')
    expect(clock(now, 'en-US')).toBe('2:05\u00a0pm')
  })
})
