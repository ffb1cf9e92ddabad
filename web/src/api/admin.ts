// The console's endpoints under /admin, for administrators only.
import { request } from './client'

export const periods = ['1h', '6h', '24h', '7d'] as const
export type Period = (typeof periods)[number]

/** A place for each step; null where nothing was observed. */
export type Series = (number | null)[]

export interface AppStats {
  id: string
  internal: boolean
  channels: number
  totals: {
    connections: number
    opened: number
    closed: Record<string, number>
    frames_received: number
    bytes_received: number
    messages_sent: number
    bytes_sent: number
    client_events: number
    api_messages: number
    refusals: number
  }
  series: {
    connections_peak: Series
    frames_received: Series
    api_messages: Series
    messages_sent: Series
  }
}

export interface ServerStats {
  version: string
  started_at: string
  uptime_s: number
  memory_bytes: number | null
  workers: number
  connections: number
  channels: number
  strangers_refused: number
  period: Period
  step_s: number
  from: string
  apps: AppStats[]
}

export interface AppSummary {
  id: string
  key: string
  enabled: boolean
  internal: boolean
  connections: number
  channels: number
}

export interface ChannelSummary {
  name: string
  subscribers: number
}

interface Page<T> {
  items: T[]
  next_cursor: string | null
}

const path = (app: string) => `/admin/apps/${encodeURIComponent(app)}`

export const adminApi = {
  stats: (period: Period) => request<ServerStats>('GET', '/admin/stats', { query: { period } }),
  apps: () => request<Page<AppSummary>>('GET', '/admin/engine/apps'),
  channels: (app: string, query: { prefix?: string; cursor?: string | null }) =>
    request<Page<ChannelSummary>>('GET', `${path(app)}/channels`, { query }),
  publish: (app: string, event: { channel: string; name: string; data: string }) =>
    request<ChannelSummary & { channel: string }>('POST', `${path(app)}/events`, { body: event }),
}
