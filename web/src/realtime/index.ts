export { connectRealtime } from './connection'
export type { OpenChannel, Realtime, RealtimeEvent } from './connection'
