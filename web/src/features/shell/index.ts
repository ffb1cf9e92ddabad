export { default as AppShell } from './AppShell.vue'
export { default as ConnectionBar } from './ConnectionBar.vue'
export { default as PaneHeader } from './PaneHeader.vue'
export { useDocumentTitle } from './useDocumentTitle'
