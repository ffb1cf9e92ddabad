export { default as ConversationListPane } from './ConversationListPane.vue'
