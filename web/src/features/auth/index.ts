export { default as LoginPage } from './LoginPage.vue'
export { default as RegisterPage } from './RegisterPage.vue'
export { default as SetupPage } from './SetupPage.vue'
export { default as UnreachablePage } from './UnreachablePage.vue'
