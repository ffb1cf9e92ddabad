import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { whenUnauthenticated } from '@/api'
import type { RealtimeHooks } from '@/realtime/connection'
import { aMe } from '@/testing/factory'
import { startSession, stopSession, useSession } from './session'
import { useMessenger } from './store'

const line = vi.hoisted(() => ({
  hooks: null as RealtimeHooks | null,
  ends: {
    join: vi.fn(),
    watchLog: vi.fn(),
    nudge: vi.fn(),
    renew: vi.fn(),
    resume: vi.fn(),
    close: vi.fn(),
  },
}))
vi.mock('@/realtime', () => ({
  connectRealtime: (_: unknown, hooks: RealtimeHooks) => {
    line.hooks = hooks
    return line.ends
  },
}))

let loggedIn = true
const asked: string[] = []

beforeEach(() => {
  loggedIn = true
  asked.length = 0
  line.hooks = null
  setActivePinia(createPinia())
  // The only window there is has every lock.
  const locks = { request: async (_: string, work: () => unknown) => work() }
  Object.defineProperty(navigator, 'locks', { value: locks, configurable: true })
  vi.stubGlobal('fetch', async (address: string) => {
    const path = new URL(address, 'http://localhost').pathname.replace('/api/v1', '')
    asked.push(path)
    if (!loggedIn) return Response.json({ code: 'unauthenticated' }, { status: 401 })
    if (path === '/me') return Response.json(aMe())
    if (path === '/sync') {
      const user = { rev: 1, me: aMe(), hidden_messages: [] }
      const none = { items: [], removed: [], has_more: false, reset: false }
      return Response.json({ cursor: 'c1', server_time: '2026-03-12T09:00:00.000Z', user, ...none })
    }
    return Response.json({ items: [] })
  })
})
afterEach(async () => {
  await stopSession(true)
  vi.unstubAllGlobals()
})

async function connected() {
  await startSession(aMe())
  await vi.waitFor(() => expect(line.hooks).not.toBeNull())
  line.hooks!.state(true)
  const store = useMessenger()
  expect(store.connection).toBe('online')
  return { store, hooks: line.hooks! }
}

it('says so when the server sent this window away, and connects when it is asked to', async () => {
  const { store, hooks } = await connected()
  hooks.state(false)
  hooks.dismissed()
  await vi.waitFor(() => expect(store.connection).toBe('paused'))
  // Who looks at the window sees what there is, and that it does not go on.
  const before = asked.filter((path) => path === '/sync').length
  window.dispatchEvent(new Event('online'))
  await vi.waitFor(() => {
    expect(asked.filter((path) => path === '/sync').length).toBeGreaterThan(before)
  })
  expect(store.connection).toBe('paused')
  expect(line.ends.resume).not.toHaveBeenCalled()
  useSession().connectHere()
  expect(line.ends.resume).toHaveBeenCalledOnce()
  expect(store.connection).toBe('reconnecting')
  hooks.state(true)
  expect(store.connection).toBe('online')
})

it('ends when the server sent this window away because its login is over', async () => {
  const ended = vi.fn()
  whenUnauthenticated(ended)
  const { hooks } = await connected()
  loggedIn = false
  hooks.state(false)
  hooks.dismissed()
  await vi.waitFor(() => expect(ended).toHaveBeenCalled())
  whenUnauthenticated(() => {})
})
