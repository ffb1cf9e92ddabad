// The one realtime connection: the user's own channel and, while a conversation is open, that
// conversation's channel. It reports what happens and decides nothing about state.
import Echo from 'laravel-echo'
import Pusher from 'pusher-js'
import { csrfToken, type RealtimeConfig } from '@/api'
import { reconnectDelay_ms } from '@/lib/backoff'

const events = [
  'message.created',
  'message.updated',
  'message.deleted',
  'reaction.changed',
  'pin.changed',
  'conversation.noop',
  'members.changed',
  'conversation.added',
  'conversation.updated',
  'conversation.deleted',
  'conversation.removed',
  'me.updated',
  'receipt.updated',
  'presence.changed',
  'typing.changed',
  'sync.required',
  'logout.required',
] as const

export type RealtimeEvent = (typeof events)[number]

export interface RealtimeHooks {
  /** The user's channel is subscribed, for the first time or again. */
  subscribed: () => void
  /** The server may not know this login any more. */
  refused: () => void
  /**
   * The server has closed the connection and says to stay away: the login is over, or there are too
   * many connections. Who came back would only send another window away, which comes back in turn.
   */
  dismissed: () => void
  state: (connected: boolean) => void
  event: (name: RealtimeEvent, data: unknown) => void
}

export interface OpenChannel {
  typing: (stop: boolean) => void
  leave: () => void
}

export function connectRealtime(config: RealtimeConfig, hooks: RealtimeHooks) {
  const secure = location.protocol === 'https:'
  const port = Number(location.port) || (secure ? 443 : 80)
  // First of all, for the first socket is opened as soon as there is a Pusher.
  const forgetSockets = watchSockets(() => {
    const { state } = pusher.connection
    if (!closed && (state === 'connecting' || state === 'unavailable')) rest()
  })
  const pusher = new Pusher(config.key, {
    cluster: '',
    wsHost: location.hostname,
    wsPort: port,
    wssPort: port,
    wsPath: config.path,
    forceTLS: secure,
    // Without TLS, `wss` would be tried in vain whenever `ws` fails once.
    enabledTransports: secure ? ['ws', 'wss'] : ['ws'],
    enableStats: false,
    channelAuthorization: {
      endpoint: config.auth_endpoint,
      transport: 'ajax',
      headersProvider: () => ({ 'X-CSRF-Token': csrfToken() }),
    },
  })
  const echo = new Echo<'reverb'>({ broadcaster: 'reverb', key: config.key, client: pusher })

  // pusher-js waits one second after a lost connection, always, and fifteen and more after one that
  // could not be made. A server that comes back after a restart wants its clients soon, but spread
  // out, so both waits are replaced by a growing, jittered one.
  let attempt = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let closed = false
  let dismissed = false
  let resting = false
  function rest(): void {
    resting = true
    pusher.disconnect()
    resting = false
    clearTimeout(timer)
    timer = setTimeout(() => pusher.connect(), reconnectDelay_ms(attempt))
    attempt += 1
  }
  pusher.connection.bind('connecting_in', () => queueMicrotask(() => !closed && rest()))
  pusher.connection.bind('state_change', ({ current }: { current: string }) => {
    if (current === 'connected') attempt = 0
    hooks.state(current === 'connected')
    // By itself pusher-js disconnects only when it was closed with a code that forbids coming back.
    if (current === 'disconnected' && !closed && !resting) {
      dismissed = true
      clearTimeout(timer)
      hooks.dismissed()
    }
  })

  function renew(): void {
    if (closed || dismissed) return
    clearTimeout(timer)
    resting = true
    pusher.disconnect()
    resting = false
    pusher.connect()
  }

  const own = echo.private(config.channel.replace(/^private-/, ''))
  let refusals = 0
  own.subscribed(() => {
    refusals = 0
    hooks.subscribed()
  })
  // pusher-js gives a refused subscription up for good. Without it nothing would ever arrive, so
  // the connection is made anew, ever more slowly.
  own.error((error: { status?: number }) => {
    if (closed || dismissed) return
    if (error.status === 401) hooks.refused()
    clearTimeout(timer)
    timer = setTimeout(renew, reconnectDelay_ms(refusals + 1))
    refusals += 1
  })
  for (const name of events) {
    own.listen(`.${name}`, (data: unknown) => hooks.event(name, data))
  }

  return {
    join(conversation: number, onTyping: (user: number, stop: boolean) => void): OpenChannel {
      const name = `conversation.${conversation}`
      const channel = echo.join(name)
      // Bound beneath Echo: its callback drops the metadata, and only there stands who it was,
      // as stamped by the server. The payload could claim anything.
      const subscription = pusher.channel(`presence-${name}`)
      const heard = (data: { stop?: boolean } | undefined, metadata?: { user_id?: string }) => {
        const user = Number(metadata?.user_id)
        if (user) onTyping(user, data?.stop === true)
      }
      subscription?.bind('client-typing', heard)
      return {
        typing(stop) {
          if (subscription?.subscribed) channel.whisper('typing', { kind: 'text', stop })
        },
        leave() {
          subscription?.unbind('client-typing', heard)
          echo.leave(name)
        },
      }
    },
    /** What the server logs, for administrators, until the returned function is called. */
    watchLog(onBatch: (batch: unknown) => void): () => void {
      echo.private('admin-log').listen('.log.entries', onBatch)
      return () => echo.leave('admin-log')
    },
    /** Something says the network may be back: do not wait for the timer. */
    nudge(): void {
      if (closed || pusher.connection.state === 'connected') return
      attempt = 0
      renew()
    },
    /** Comes back after it was dismissed. */
    resume(): void {
      dismissed = false
      attempt = 0
      renew()
    },
    /** After a sleep the socket may be dead without knowing it. */
    renew,
    close(): void {
      closed = true
      clearTimeout(timer)
      forgetSockets()
      echo.disconnect()
    },
  }
}

/**
 * Tells at once when a socket closes; pusher-js keeps a failed try to itself. It also sends a moment
 * after it looked whether it may: what then finds the socket closing is dropped, as it would be anyway,
 * but without an error in the console.
 */
function watchSockets(onClose: () => void): () => void {
  const runtime = Pusher.Runtime
  const create = runtime.createWebSocket
  runtime.createWebSocket = (url: string) => {
    const made = create.call(runtime, url)
    const socket = made as unknown as WebSocket
    socket.addEventListener('close', onClose)
    const send = socket.send.bind(socket)
    socket.send = (data) => {
      if (socket.readyState === WebSocket.OPEN) send(data)
    }
    return made
  }
  return () => (runtime.createWebSocket = create)
}

export type Realtime = ReturnType<typeof connectRealtime>
