import { describe, expect, it } from 'vitest'
import { createLog, readable, type LogEntry } from './log'

function anEntry(change: Partial<LogEntry> = {}): LogEntry {
  return {
    at: '2026-03-12T14:05:09.120Z',
    type: 'api_message',
    app: 'shop',
    channel: 'room',
    socket_id: null,
    event: 'e',
    detail: null,
    bytes: 2,
    data: '{}',
    cut: false,
    ...change,
  }
}

const batch = (...events: string[]) => ({
  entries: events.map((event) => anEntry({ event })),
  left_out: 0,
})

describe('the live log', () => {
  it('shows the newest first and keeps so many', () => {
    const log = createLog(3)
    log.add(batch('1', '2'))
    log.add(batch('3', '4'))
    expect(log.shown.value.map((row) => row.event)).toEqual(['4', '3', '2'])
    expect(log.shown.value.map((row) => row.number)).toEqual([4, 3, 2])
  })

  it('stands still while paused and catches up afterwards', () => {
    const log = createLog()
    log.add(batch('1'))
    log.toggle()
    log.add(batch('2', '3'))
    expect(log.shown.value.map((row) => row.event)).toEqual(['1'])
    expect(log.held.value).toHaveLength(2)
    log.toggle()
    expect(log.shown.value.map((row) => row.event)).toEqual(['3', '2', '1'])
    expect(log.held.value).toHaveLength(0)
  })

  it('holds no more than it would show', () => {
    const log = createLog(2)
    log.toggle()
    log.add(batch('1', '2', '3'))
    expect(log.held.value.map((row) => row.event)).toEqual(['3', '2'])
  })

  it('filters by app and type', () => {
    const log = createLog()
    log.add({
      entries: [anEntry(), anEntry({ app: 'other' }), anEntry({ type: 'refusal' })],
      left_out: 4,
    })
    log.filter.app = 'shop'
    expect(log.shown.value).toHaveLength(2)
    log.filter.type = 'refusal'
    expect(log.shown.value).toHaveLength(1)
    expect(log.leftOut.value).toBe(4)
  })

  it('lays JSON out and leaves the rest alone', () => {
    expect(readable('{"a":1}')).toBe('{\n  "a": 1\n}')
    expect(readable('{"a":')).toBe('{"a":')
  })
})
