// How far one's own message got, computed from the members' watermarks and never stored.
import type { Watermarks } from '@/api'

export type TickState = 'sending' | 'sent' | 'delivered' | 'seen' | 'failed'

/**
 * Recipients are the human members who joined before the message, without its author and those
 * whose account is gone or suspended. Without any, where not all members are known, or when the
 * message was not for them to have, the state stays at `sent`. It is seen when all those have seen it
 * who share that.
 */
export function tickState(
  message: { seq: number; author_id: number; receipts?: boolean },
  members: readonly Watermarks[],
  memberCount: number,
): TickState {
  if (members.length < memberCount || message.receipts === false) return 'sent'
  let recipients = 0
  let sharing = 0
  let delivered = true
  let seen = true
  for (const member of members) {
    const { user } = member
    if (user.id === message.author_id || user.kind === 'bot') continue
    if (user.deleted || user.suspended) continue
    if (member.joined_seq >= message.seq) continue
    recipients += 1
    delivered &&= member.delivered_seq >= message.seq
    if (member.seen_seq === null) continue
    sharing += 1
    seen &&= member.seen_seq >= message.seq
  }
  if (recipients === 0) return 'sent'
  return seen && sharing > 0 ? 'seen' : delivered ? 'delivered' : 'sent'
}
