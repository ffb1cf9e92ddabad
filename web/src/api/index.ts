// The endpoints of docs/API.md, one function each.
import { request } from './client'
import type {
  Changes,
  Config,
  Draft,
  ListItem,
  Me,
  Message,
  MessagePage,
  Presence,
  RealtimeConfig,
  ReceiptAnswer,
  ReceiptItem,
  SyncPage,
  User,
} from './types'

export * from './types'
export * from './admin'
export { ApiError, csrfToken, whenUnauthenticated } from './client'

interface Items<T> {
  items: T[]
}

export const api = {
  config: () => request<Config>('GET', '/config'),
  me: () => request<Me>('GET', '/me'),
  register: (form: { username: string; display_name: string; password: string; invite?: string }) =>
    request<{ user: Me }>('POST', '/auth/register', { body: { ...form, cookie: true } }),
  login: (form: { username: string; password: string }) =>
    request<{ user: Me }>('POST', '/auth/login', { body: { ...form, cookie: true } }),
  logout: () => request<void>('POST', '/auth/logout'),
  users: (q: string, signal?: AbortSignal) =>
    request<Items<User>>('GET', '/users', { query: { q }, signal }),
  user: (id: number) => request<User>('GET', `/users/${id}`),
  presence: (ids: number[]) =>
    request<Items<Presence>>('GET', '/presence', { query: { user_ids: ids.join(',') } }),
  conversation: (id: number) => request<ListItem>('GET', `/conversations/${id}`),
  createDirect: (user_id: number) =>
    request<ListItem>('POST', '/conversations', { body: { kind: 'direct', user_id } }),
  createGroup: (title: string, member_ids: number[]) =>
    request<ListItem>('POST', '/conversations', { body: { kind: 'group', title, member_ids } }),
  messages: (
    id: number,
    query: { before?: number; after?: number; around?: number; limit?: number },
  ) => request<MessagePage>('GET', `/conversations/${id}/messages`, { query }),
  send: (id: number, draft: Draft) =>
    request<Message>('POST', `/conversations/${id}/messages`, { body: draft }),
  receipts: (items: ReceiptItem[], keepalive = false) =>
    request<Items<ReceiptAnswer>>('POST', '/receipts', { body: { items }, keepalive }),
  changes: (id: number, after_rev: number) =>
    request<Changes>('GET', `/conversations/${id}/changes`, { query: { after_rev } }),
  changesOfMany: (items: { conversation_id: number; after_rev: number }[]) =>
    request<Items<Changes & { conversation_id: number }>>('POST', '/sync/changes', {
      body: { items },
    }),
  sync: (cursor: string | null) =>
    request<SyncPage>('GET', '/sync', { query: { cursor, limit: cursor ? 200 : 50 } }),
  realtimeConfig: () => request<RealtimeConfig>('GET', '/realtime/config'),
}

export type Api = typeof api
