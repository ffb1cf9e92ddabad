export { default as NewGroupPane } from './NewGroupPane.vue'
export { default as NewMessagePane } from './NewMessagePane.vue'
