// Names for the shapes of docs/openapi.json, from which schema.d.ts is generated (scripts/openapi).
import type { components } from './schema'

type Schemas = components['schemas']

export type User = Schemas['User']
export type Me = Schemas['Me']
export type Quote = Schemas['Quote']
export type Message = Schemas['Message']
/** The place of a message that is hidden from us. */
export type HiddenMessage = Schemas['HiddenMessage']
export type Conversation = Schemas['Conversation']
export type Membership = Schemas['My']
export type Watermarks = Schemas['Member']
export type ListItem = Schemas['ListItem']
export type Config = Schemas['Config']
export type MessagePage = Schemas['History']
export type SyncPage = Schemas['SyncPage']
export type Presence = Schemas['PresenceOf']
export type RealtimeConfig = Schemas['RealtimeConfig']
export type ReceiptItem = { conversation_id: number; delivered_seq?: number; seen_seq?: number }
export type Draft = Required<
  Pick<Schemas['Sending'], 'client_id' | 'body' | 'reply_to' | 'advance_seen'>
>

export type SystemNote = Omit<Schemas['System'], 'data'> & {
  data: { title?: string; user_ids?: number[] } & Record<string, unknown>
}

/** Also one of several, which may have been refused. */
export type Changes = Schemas['Changes'] & { conversation_id?: number; error?: string }

export type ReceiptAnswer = ReceiptItem & {
  unread_count?: number
  unread_mentions?: number
  error?: string
}

// Events are not part of the document.

export interface ReceiptEvent extends Omit<ReceiptAnswer, 'seen_seq'> {
  user_id: number
  /** Null where it is not shared. */
  seen_seq?: number | null
  total_unread?: number
  thread_root_id?: number
}

/** Somebody types, or stops; told where few are in a conversation. */
export interface TypingEvent {
  conversation_id: number
  user_id: number
  kind: 'text' | 'voice' | 'file'
  stop: boolean
  thread_root_id?: number
}

/** A durable event of one conversation; `rev` orders it. */
export interface ConversationEvent {
  name: string
  conversation_id: number
  rev: number
  message?: Message
  member_count?: number
}
