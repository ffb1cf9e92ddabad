// The one realtime connection: the user's own channel and, while a conversation is open, that
// conversation's channel. It reports what happens and decides nothing about state.
import Echo from 'laravel-echo'
import Pusher from 'pusher-js'
import { csrfToken, type RealtimeConfig } from '@/api'
import { reconnectDelay_ms } from '@/lib/backoff'

const events = [
  'message.created',
  'members.changed',
  'conversation.added',
  'me.updated',
  'receipt.updated',
  'presence.changed',
  'sync.required',
  'logout.required',
] as const

export type RealtimeEvent = (typeof events)[number]

export interface RealtimeHooks {
  /** The user's channel is subscribed, for the first time or again. */
  subscribed: () => void
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
  const pusher = new Pusher(config.key, {
    cluster: '',
    wsHost: location.hostname,
    wsPort: port,
    wssPort: port,
    wsPath: config.path,
    forceTLS: secure,
    enabledTransports: ['ws', 'wss'],
    enableStats: false,
    channelAuthorization: {
      endpoint: config.auth_endpoint,
      transport: 'ajax',
      headersProvider: () => ({ 'X-CSRF-Token': csrfToken() }),
    },
  })
  const echo = new Echo<'reverb'>({ broadcaster: 'reverb', key: config.key, client: pusher })

  // pusher-js waits one second between tries, always. A server that comes back after a restart
  // wants its clients spread out, so its timer is replaced by a growing, jittered one.
  let attempt = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let closed = false
  pusher.connection.bind('connecting_in', () => {
    queueMicrotask(() => {
      if (closed) return
      pusher.disconnect()
      clearTimeout(timer)
      timer = setTimeout(() => pusher.connect(), reconnectDelay_ms(attempt))
      attempt += 1
    })
  })
  pusher.connection.bind('state_change', ({ current }: { current: string }) => {
    if (current === 'connected') attempt = 0
    hooks.state(current === 'connected')
  })

  const own = echo.private(config.channel.replace(/^private-/, ''))
  own.subscribed(() => hooks.subscribed())
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
    /** Something says the network may be back: do not wait for the timer. */
    nudge(): void {
      if (closed || pusher.connection.state === 'connected') return
      clearTimeout(timer)
      attempt = 0
      pusher.disconnect()
      pusher.connect()
    },
    /** After a sleep the socket may be dead without knowing it. */
    renew(): void {
      if (closed) return
      clearTimeout(timer)
      pusher.disconnect()
      pusher.connect()
    },
    close(): void {
      closed = true
      clearTimeout(timer)
      echo.disconnect()
    },
  }
}

export type Realtime = ReturnType<typeof connectRealtime>
