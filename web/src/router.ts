// Where things are, and who may go there: nobody sees a conversation without a login, and a server
// without an owner shows only its set-up.
import {
  createRouter,
  createWebHistory,
  type RouteLocationNormalized,
  type RouteRecordRaw,
} from 'vue-router'
import { api, ApiError, csrfToken, whenUnauthenticated } from '@/api'
import {
  hasSession,
  resumeSession,
  startSession,
  stopSession,
  useMessenger,
  whenEnded,
} from '@/model'
import { AppShell } from '@/features/shell'
import { ConversationListPane } from '@/features/conversations'
import { ConversationPane, NoConversationPane } from '@/features/messages'

declare module 'vue-router' {
  interface RouteMeta {
    /** Shown without a login. */
    open?: boolean
    /** The pane a phone shows. */
    pane?: 'list' | 'main'
    section?: 'chats' | 'settings' | 'admin'
  }
}

const auth = () => import('@/features/auth')
const people = () => import('@/features/people')
const settings = () => import('@/features/settings')
const admin = () => import('@/features/admin')

const routes: RouteRecordRaw[] = [
  { path: '/setup', component: () => auth().then((m) => m.SetupPage), meta: { open: true } },
  { path: '/register', component: () => auth().then((m) => m.RegisterPage), meta: { open: true } },
  { path: '/login', component: () => auth().then((m) => m.LoginPage), meta: { open: true } },
  {
    path: '/unreachable',
    component: () => auth().then((m) => m.UnreachablePage),
    meta: { open: true },
  },
  {
    path: '/',
    component: AppShell,
    children: [
      {
        path: '',
        components: { list: ConversationListPane, default: NoConversationPane },
        meta: { pane: 'list', section: 'chats' },
      },
      {
        path: 'c/:id(\\d+)',
        components: { list: ConversationListPane, default: ConversationPane },
        meta: { pane: 'main', section: 'chats' },
      },
      {
        path: 'new',
        components: {
          list: () => people().then((m) => m.NewMessagePane),
          default: NoConversationPane,
        },
        meta: { pane: 'list', section: 'chats' },
      },
      {
        path: 'new-group',
        components: {
          list: () => people().then((m) => m.NewGroupPane),
          default: NoConversationPane,
        },
        meta: { pane: 'list', section: 'chats' },
      },
      {
        path: 'settings',
        components: {
          list: () => settings().then((m) => m.SettingsMenuPane),
          default: () => settings().then((m) => m.AppearancePane),
        },
        meta: { pane: 'list', section: 'settings' },
      },
      {
        path: 'settings/appearance',
        components: {
          list: () => settings().then((m) => m.SettingsMenuPane),
          default: () => settings().then((m) => m.AppearancePane),
        },
        meta: { pane: 'main', section: 'settings' },
      },
      {
        path: 'settings/account',
        components: {
          list: () => settings().then((m) => m.SettingsMenuPane),
          default: () => settings().then((m) => m.AccountPane),
        },
        meta: { pane: 'main', section: 'settings' },
      },
      {
        path: 'admin',
        components: {
          list: () => admin().then((m) => m.ServerMenuPane),
          default: () => admin().then((m) => m.ServerPane),
        },
        meta: { pane: 'list', section: 'admin' },
      },
      {
        path: 'admin/:section(overview|log|apps|channels)',
        components: {
          list: () => admin().then((m) => m.ServerMenuPane),
          default: () => admin().then((m) => m.ServerPane),
        },
        meta: { pane: 'main', section: 'admin' },
      },
    ],
  },
  { path: '/:rest(.*)*', redirect: '/' },
]

export function createAppRouter() {
  const router = createRouter({ history: createWebHistory(import.meta.env.BASE_URL), routes })
  const store = useMessengerLater()

  /** The server has said that nobody is logged in; asking again on each page would be idle. */
  let anonymous = false

  /** Finds out who is calling, once; true when somebody is logged in. */
  async function boot(): Promise<boolean> {
    if (hasSession()) return true
    const config = api.config().then((given) => (store().config = given))
    config.catch(() => {})
    // What the browser kept is shown at once; the first synchronisation confirms or ends it.
    if (await resumeSession()) return true
    await config
    // Both cookies come and go together: without the readable one there is nobody to ask about.
    if (anonymous || !csrfToken()) return false
    try {
      await startSession(await api.me())
      return true
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        anonymous = true
        return false
      }
      throw error
    }
  }

  router.beforeEach(async (to) => {
    if (to.path === '/unreachable') return true
    let known: boolean
    try {
      known = await boot()
    } catch {
      return { path: '/unreachable', query: keep(to), replace: true }
    }
    if (known && to.meta.section === 'admin' && store().me?.server_role === 'member') return '/'
    if (known) return to.meta.open ? String(to.query.to ?? '/') : true
    if (store().config?.setup_required) return to.path === '/setup' || '/setup'
    if (to.path === '/setup') return '/login'
    return to.meta.open || { path: '/login', query: keep(to) }
  })

  function toLogin(): void {
    if (!hasSession()) return
    const query = keep(router.currentRoute.value)
    void stopSession(false).then(() => router.replace({ path: '/login', query }))
  }
  whenUnauthenticated(toLogin)
  whenEnded(() => void stopSession(true).then(() => router.replace('/login')))
  return router
}

function keep(route: RouteLocationNormalized): Record<string, string> {
  const path = route.meta.open ? String(route.query.to ?? '/') : route.fullPath
  return path === '/' ? {} : { to: path }
}

/** The store exists only once Pinia is installed, which is before the first navigation. */
function useMessengerLater() {
  return () => useMessenger()
}
