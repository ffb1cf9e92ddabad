// The shapes of docs/API.md, written by hand until they are generated from the OpenAPI document.

export interface User {
  id: number
  username: string
  display_name: string
  kind: 'human' | 'bot'
  deleted: boolean
}

export interface Me extends User {
  server_role: 'owner' | 'admin' | 'member'
  locale: string
  user_rev: number
  created_at: string
}

export interface Quote {
  message_id: number
  seq: number
  author_id: number
  kind: string
  excerpt: string
  deleted: boolean
}

export interface SystemNote {
  event: string
  actor_id: number
  data: { title?: string; user_ids?: number[] } & Record<string, unknown>
}

export interface Message {
  id: number
  conversation_id: number
  seq: number
  rev: number
  client_id: string | null
  author_id: number
  kind: string
  /** Absent on a tombstone. */
  body?: string
  reply_to?: Quote | null
  in_timeline: boolean
  created_at: string
  edited_at: string | null
  deleted_at: string | null
  system?: SystemNote
}

export interface Conversation {
  id: number
  kind: 'direct' | 'group' | 'self'
  title: string | null
  owner_id: number | null
  created_by: number
  created_at: string
  last_seq: number
  last_rev: number
  members_rev: number
  last_activity_at: string
  member_count: number
  state: string
}

export interface Membership {
  role: string
  joined_seq: number
  delivered_seq: number
  seen_seq: number
  history_from_seq: number
  cleared_seq: number
  muted_until: string | null
  archived: boolean
  pinned_order: number | null
  marked_unread: boolean
  /** Set when the user has left. */
  left_at?: string | null
}

export interface Watermarks {
  user: User
  role: string
  joined_seq: number
  delivered_seq: number
  seen_seq: number
}

export interface ListItem {
  conversation: Conversation
  my: Membership
  unread_count: number
  unread_mentions: number
  unread_capped: boolean
  last_message: Message | null
  peer: User | null
  members: Watermarks[]
}

export interface Config {
  name: string
  version: string
  api_version: number
  setup_required: boolean
  registration: 'open' | 'closed'
  limits: {
    body_chars: number
    title_chars: number
    display_name_chars: number
    group_members: number
    page_size: number
    password_chars_min: number
    receipts_members: number
  }
}

export interface MessagePage {
  items: Message[]
  has_more_before: boolean
  has_more_after: boolean
  last_seq: number
  last_rev: number
}

export interface Changes {
  conversation_id?: number
  items: Message[]
  conversation: Conversation | null
  members: Watermarks[] | null
  upto_rev: number
  has_more: boolean
  reset: boolean
  /** Only in the answer for several conversations. */
  error?: string
}

export interface SyncPage {
  cursor: string
  server_time: string
  user: { rev: number; me: Me }
  items: ListItem[]
  removed: number[]
  has_more: boolean
  reset: boolean
}

export interface Presence {
  user_id: number
  state: 'online' | 'away' | 'offline'
  last_seen_at: string | null
}

export interface RealtimeConfig {
  key: string
  path: string
  auth_endpoint: string
  user_id: number
  channel: string
}

export interface ReceiptItem {
  conversation_id: number
  delivered_seq?: number
  seen_seq?: number
}

export interface ReceiptAnswer extends ReceiptItem {
  unread_count?: number
  unread_mentions?: number
  error?: string
}

export interface ReceiptEvent extends ReceiptAnswer {
  user_id: number
}

export interface Draft {
  client_id: string
  body: string
  reply_to: number | null
  advance_seen: boolean
}

/** A durable event of one conversation; `rev` orders it. */
export interface ConversationEvent {
  name: string
  conversation_id: number
  rev: number
  message?: Message
  member_count?: number
}
