export { useMessenger } from './store'
export type { ConnectionState, DraftText, Messenger } from './store'
export type { OutboxEntry } from './outbox'
export { messagesIn, countsAsUnread } from './timeline'
export type { Timeline } from './timeline'
export {
  hasSession,
  resumeSession,
  startSession,
  stopSession,
  useSession,
  whenEnded,
} from './session'
export type { Session } from './session'
export { useNames } from './names'
export { usePeopleSearch } from './usePeopleSearch'
