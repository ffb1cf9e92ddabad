import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { connectRealtime } from './connection'

// What browsers load; Node would get a build with sockets of its own.
vi.mock('pusher-js', () => import('pusher-js/dist/web/pusher.js' as 'pusher-js'))

const config = {
  key: 'key',
  path: '',
  auth_endpoint: '/api/v1/realtime/auth',
  channel: 'private-user.7',
  user_id: 7,
}

/** A socket whose other end is the test. */
class Socket extends EventTarget {
  static all: Socket[] = []
  static readonly OPEN = 1
  readonly OPEN = 1
  readyState = 0
  onopen?: () => void
  onclose?: (event: CloseEvent) => void
  onmessage?: (event: { data: string }) => void

  constructor(readonly url: string) {
    super()
    Socket.all.push(this)
  }
  static get last(): Socket {
    return Socket.all.at(-1)!
  }

  send(text: string): void {
    const { event, data } = JSON.parse(text)
    if (event === 'pusher:subscribe') {
      this.tell('pusher_internal:subscription_succeeded', {}, data.channel)
    }
  }
  close(): void {
    this.end(1000)
  }

  tell(event: string, data: unknown, channel?: string): void {
    this.onmessage?.({ data: JSON.stringify({ event, channel, data: JSON.stringify(data) }) })
  }
  open(): void {
    this.readyState = 1
    this.onopen?.()
  }
  async greet(): Promise<void> {
    this.open()
    this.tell('pusher:connection_established', { socket_id: '1.1', activity_timeout: 120 })
    await vi.advanceTimersByTimeAsync(0)
  }
  /** The server tells why before it closes. */
  dismiss(code: number): void {
    this.tell('pusher:error', { code, message: 'Stay away' })
    this.end(code)
  }
  end(code: number): void {
    if (this.readyState === 3) return
    this.readyState = 3
    const event = Object.assign(new Event('close'), { code, reason: '', wasClean: true })
    this.dispatchEvent(event)
    this.onclose?.(event as CloseEvent)
  }
}

/** Signs every subscription. */
class Signer {
  readyState = 0
  status = 0
  responseText = ''
  onreadystatechange?: () => void
  open(): void {}
  setRequestHeader(): void {}
  send(): void {
    this.readyState = 4
    this.status = 200
    this.responseText = JSON.stringify({ auth: 'key:signature' })
    this.onreadystatechange?.()
  }
}

const hour_ms = 3_600_000
let connection: ReturnType<typeof connectRealtime> | undefined

function connect() {
  const hooks = {
    subscribed: vi.fn(),
    refused: vi.fn(),
    dismissed: vi.fn(),
    state: vi.fn(),
    event: vi.fn(),
  }
  connection = connectRealtime(config, hooks)
  return hooks
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('WebSocket', Socket)
  vi.stubGlobal('XMLHttpRequest', Signer)
  Socket.all = []
})
afterEach(() => {
  connection?.close()
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('the connection', () => {
  it('comes back when the server lets it', async () => {
    const hooks = connect()
    await Socket.last.greet()
    expect(hooks.subscribed).toHaveBeenCalledOnce()
    for (const code of [1006, 4100, 4200]) {
      const before = Socket.all.length
      Socket.last.end(code)
      await vi.advanceTimersByTimeAsync(60_000)
      expect(Socket.all.length, `after ${code}`).toBeGreaterThan(before)
      await Socket.last.greet()
    }
    expect(hooks.dismissed).not.toHaveBeenCalled()
    expect(hooks.state).toHaveBeenLastCalledWith(true)
  })

  it.each([4001, 4004, 4009])('stays away when it was dismissed with %i', async (code) => {
    const hooks = connect()
    await Socket.last.greet()
    Socket.last.dismiss(code)
    expect(hooks.dismissed).toHaveBeenCalledOnce()
    expect(hooks.state).toHaveBeenLastCalledWith(false)
    await vi.advanceTimersByTimeAsync(hour_ms)
    // Neither does the network's return or the end of a sleep bring it back.
    connection!.nudge()
    connection!.renew()
    await vi.advanceTimersByTimeAsync(hour_ms)
    expect(Socket.all).toHaveLength(1)
    expect(hooks.dismissed).toHaveBeenCalledOnce()
  })

  it('stays away when it is dismissed before it was let in', async () => {
    const hooks = connect()
    Socket.last.open()
    Socket.last.dismiss(4009)
    await vi.advanceTimersByTimeAsync(hour_ms)
    expect(Socket.all).toHaveLength(1)
    expect(hooks.dismissed).toHaveBeenCalledOnce()
  })

  it('comes back when it is asked to, and can be dismissed again', async () => {
    const hooks = connect()
    await Socket.last.greet()
    Socket.last.dismiss(4009)
    connection!.resume()
    await vi.advanceTimersByTimeAsync(0)
    expect(Socket.all).toHaveLength(2)
    await Socket.last.greet()
    expect(hooks.subscribed).toHaveBeenCalledTimes(2)
    expect(hooks.state).toHaveBeenLastCalledWith(true)
    Socket.last.dismiss(4009)
    expect(hooks.dismissed).toHaveBeenCalledTimes(2)
    await vi.advanceTimersByTimeAsync(hour_ms)
    expect(Socket.all).toHaveLength(2)
  })
})
