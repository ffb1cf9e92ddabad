export { default as ConversationPane } from './ConversationPane.vue'
export { default as MessageQuote } from './MessageQuote.vue'
export { default as NoConversationPane } from './NoConversationPane.vue'
