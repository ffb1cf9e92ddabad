export { default as AccountPane } from './AccountPane.vue'
export { default as AppearancePane } from './AppearancePane.vue'
export { default as SettingsMenuPane } from './SettingsMenuPane.vue'
