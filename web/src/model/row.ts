// The list item of one conversation: how answers and events change it. Watermarks only go up.
import type { ConversationEvent, ListItem, Membership, ReceiptEvent, Watermarks } from '@/api'
import { countsAsUnread } from './timeline'

function mergeMy(held: Membership, given: Membership): Membership {
  return {
    ...given,
    delivered_seq: Math.max(held.delivered_seq, given.delivered_seq),
    seen_seq: Math.max(held.seen_seq, given.seen_seq),
  }
}

/** The higher of two seen watermarks; what the given one keeps private stays so. */
function mergeSeen(held: number | null, given: number | null): number | null {
  return given === null ? null : Math.max(held ?? 0, given)
}

function mergeMembers(held: Watermarks[], given: Watermarks[]): Watermarks[] {
  const known = new Map(held.map((member) => [member.user.id, member]))
  return given.map((member) => {
    const old = known.get(member.user.id)
    return old
      ? {
          ...member,
          delivered_seq: Math.max(old.delivered_seq, member.delivered_seq),
          seen_seq: mergeSeen(old.seen_seq, member.seen_seq),
        }
      : member
  })
}

/** Members who share what they have seen exactly where the given ones do. */
function sharedAs(members: Watermarks[], given: Watermarks[]): Watermarks[] {
  const seen = new Map(given.map((member) => [member.user.id, member.seen_seq]))
  return members.map((member) => {
    const now = seen.get(member.user.id)
    return now === undefined ? member : { ...member, seen_seq: mergeSeen(member.seen_seq, now) }
  })
}

/** Joins a list item of the server with the one held, whichever of the two is the later. */
export function mergeItem(held: ListItem | undefined, given: ListItem): ListItem {
  if (!held) return given
  const older = given.conversation.last_rev < held.conversation.last_rev
  const base = older ? held : given
  const my = older ? mergeMy(given.my, held.my) : mergeMy(held.my, given.my)
  // Numbers counted before the last thing known here would bring a badge back.
  const behind = older || given.my.seen_seq < held.my.seen_seq
  return {
    ...base,
    my,
    // Whether somebody shares what it has seen has no rev: the answer knows.
    members: older
      ? sharedAs(mergeMembers(given.members, held.members), given.members)
      : mergeMembers(held.members, given.members),
    unread_count: behind ? held.unread_count : given.unread_count,
    unread_mentions: behind ? held.unread_mentions : given.unread_mentions,
    unread_capped: behind ? held.unread_capped : given.unread_capped,
  }
}

/** The next event of the conversation. The caller has checked that its rev is the next one. */
export function applyEventToItem(item: ListItem, event: ConversationEvent, me: number): ListItem {
  const conversation = {
    ...item.conversation,
    last_rev: event.rev,
    member_count: event.member_count ?? item.conversation.member_count,
  }
  const next: ListItem = { ...item, conversation }
  const { message } = event
  if (!message) return next
  if (message.seq > item.conversation.last_seq) {
    conversation.last_seq = message.seq
    // What is only in a thread is no news of the conversation.
    const follows = item.my.seen_seq + 1 === message.seq
    if (message.in_timeline) {
      conversation.last_activity_at = message.created_at
      next.last_message = message
    }
    if (message.author_id === me && message.kind !== 'system' && (message.in_timeline || follows)) {
      next.my = {
        ...item.my,
        delivered_seq: Math.max(item.my.delivered_seq, message.seq),
        seen_seq: Math.max(item.my.seen_seq, message.seq),
      }
      next.unread_count = 0
      next.unread_mentions = 0
    } else if (message.seq > item.my.seen_seq && countsAsUnread(message, me)) {
      next.unread_count = item.unread_count + 1
    }
  } else if (message.id === item.last_message?.id && message.rev > item.last_message.rev) {
    next.last_message = message
  }
  return next
}

export function applyReceiptToItem(item: ListItem, receipt: ReceiptEvent, me: number): ListItem {
  // Threads have watermarks of their own.
  if (receipt.thread_root_id) return item
  const delivered = receipt.delivered_seq ?? 0
  const seen = receipt.seen_seq ?? 0
  const next: ListItem = {
    ...item,
    members: item.members.map((member) =>
      member.user.id === receipt.user_id
        ? {
            ...member,
            delivered_seq: Math.max(member.delivered_seq, delivered, seen),
            seen_seq:
              receipt.seen_seq === undefined
                ? member.seen_seq
                : mergeSeen(member.seen_seq, receipt.seen_seq),
          }
        : member,
    ),
  }
  if (receipt.user_id !== me) return next
  const current = seen >= item.my.seen_seq
  next.my = {
    ...item.my,
    delivered_seq: Math.max(item.my.delivered_seq, delivered, seen),
    seen_seq: Math.max(item.my.seen_seq, seen),
  }
  if (current) {
    next.unread_count = receipt.unread_count ?? item.unread_count
    next.unread_mentions = receipt.unread_mentions ?? item.unread_mentions
  }
  return next
}
