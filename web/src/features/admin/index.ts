export { default as ServerMenuPane } from './ServerMenuPane.vue'
export { default as ServerPane } from './ServerPane.vue'
