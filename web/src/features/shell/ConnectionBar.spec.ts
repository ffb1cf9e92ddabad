import { expect, it, vi } from 'vitest'
import { useMessenger, type ConnectionState } from '@/model'
import { show } from '@/testing/mount'
import ConnectionBar from './ConnectionBar.vue'

const session = { connectHere: vi.fn() }
vi.mock('@/model', async (original) => ({
  ...(await original<typeof import('@/model')>()),
  useSession: () => session,
}))

function bar(connection: ConnectionState) {
  return show(ConnectionBar, {}, () => (useMessenger().connection = connection))
}

it.each([
  ['connecting', ''],
  ['online', ''],
  ['reconnecting', 'Reconnecting…'],
  ['offline', 'You are offline. Messages will be sent when you are back.'],
] as const)('tells when it is %s', (connection, words) => {
  expect(bar(connection).wrapper.find('[role="status"]').text()).toBe(words)
})

it('lets a window that was sent away come back', async () => {
  const { wrapper, button } = bar('paused')
  expect(wrapper.find('[role="status"]').text()).toContain('no longer kept up to date')
  await button('Connect here').trigger('click')
  expect(session.connectHere).toHaveBeenCalledOnce()
})
