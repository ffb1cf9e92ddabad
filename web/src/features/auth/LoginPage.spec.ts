import { flushPromises } from '@vue/test-utils'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { show } from '@/testing/mount'
import LoginPage from './LoginPage.vue'

const startSession = vi.hoisted(() => vi.fn(async () => {}))
vi.mock('@/model', async (original) => ({
  ...(await original<typeof import('@/model')>()),
  startSession,
}))

function answer(status: number, body: unknown) {
  return vi
    .spyOn(globalThis, 'fetch')
    .mockResolvedValue(new Response(JSON.stringify(body), { status }))
}

async function logIn() {
  const page = show(LoginPage)
  await page.field('Username').setValue('Sam ')
  await page.field('Password').setValue('correct horse')
  await page.wrapper.find('form').trigger('submit')
  await flushPromises()
  return page
}

beforeEach(() => startSession.mockClear())

describe('logging in', () => {
  it('asks for cookies and starts the session', async () => {
    const fetch = answer(200, { user: { id: 1 } })
    await logIn()
    const [path, request] = fetch.mock.calls[0]!
    expect(path).toBe('/api/v1/auth/login')
    expect(JSON.parse(String(request!.body))).toEqual({
      username: 'sam',
      password: 'correct horse',
      cookie: true,
    })
    expect(startSession).toHaveBeenCalledWith({ id: 1 })
  })

  it('says what was wrong, in words of its own', async () => {
    answer(401, { code: 'invalid_credentials', title: 'Not for people' })
    const { wrapper } = await logIn()
    expect(wrapper.find('[role=alert]').text()).toBe('Username or password is not right.')
    expect(startSession).not.toHaveBeenCalled()
  })

  it('says that the server could not be reached', async () => {
    vi.spyOn(globalThis, 'fetch').mockRejectedValue(new TypeError('failed'))
    const { wrapper } = await logIn()
    expect(wrapper.find('[role=alert]').text()).toBe('The server could not be reached.')
  })
})
