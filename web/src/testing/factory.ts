// One maker per entity, for specs.
import type { ListItem, Me, Message, User, Watermarks } from '@/api'

export function aUser(id: number, change: Partial<User> = {}): User {
  return {
    id,
    username: `user${id}`,
    display_name: `User ${id}`,
    kind: 'human',
    deleted: false,
    ...change,
  }
}

export function aMe(id = 1): Me {
  return {
    ...aUser(id),
    server_role: 'member',
    locale: 'en',
    user_rev: 1,
    created_at: '2026-03-12T08:00:00.000Z',
  } satisfies Partial<Me> as Me
}

export function aMessage(seq: number, change: Partial<Message> = {}): Message {
  return {
    id: 1000 + seq,
    conversation_id: 7,
    seq,
    rev: seq,
    client_id: `client-${seq}`,
    author_id: 2,
    kind: 'text',
    body: `Message ${seq}`,
    reply_to: null,
    in_timeline: true,
    created_at: new Date(Date.UTC(2026, 2, 12, 9, 0, seq)).toISOString(),
    edited_at: null,
    deleted_at: null,
    ...change,
  } satisfies Partial<Message> as Message
}

export function aMember(id: number, change: Partial<Watermarks> = {}): Watermarks {
  return {
    user: aUser(id),
    role: 'member',
    joined_seq: 0,
    delivered_seq: 0,
    seen_seq: 0,
    ...change,
  }
}

export function anItem(last: number, change: Partial<ListItem> = {}): ListItem {
  return {
    conversation: {
      id: 7,
      kind: 'direct',
      title: null,
      description: null,
      owner_id: null,
      created_by: 1,
      created_at: '2026-03-12T08:00:00.000Z',
      last_seq: last,
      last_rev: last,
      members_rev: 1,
      settings_rev: 0,
      last_activity_at: '2026-03-12T08:00:00.000Z',
      member_count: 2,
      policies: {
        edit_history: 'off',
        edit_window_s: 172800,
        delete_window_s: null,
        post: 'all',
        invite: 'admins',
        info: 'admins',
        pin: 'admins',
        history_for_new_members: 'all',
      },
      state: 'active',
    },
    my: {
      role: 'member',
      joined_seq: 0,
      delivered_seq: 0,
      seen_seq: 0,
      history_from_seq: 1,
      cleared_seq: 0,
      muted_until: null,
      archived: false,
      pinned_order: null,
      marked_unread: false,
      notify: 'all',
      hidden_from_list: false,
      draft: null,
      left_at: null,
    },
    unread_count: last,
    unread_mentions: 0,
    unread_capped: false,
    last_message: last ? aMessage(last) : null,
    peer: aUser(2),
    members: [aMember(1), aMember(2)],
    ...change,
  } as ListItem
}
