import { beforeEach, describe, expect, it, vi } from 'vitest'
import { show } from '@/testing/mount'
import MessageComposer from './MessageComposer.vue'

const session = { send: vi.fn(), typing: vi.fn() }
vi.mock('@/model', async (original) => ({
  ...(await original<typeof import('@/model')>()),
  useSession: () => session,
}))

beforeEach(() => {
  session.send.mockClear()
  session.typing.mockClear()
})

describe('the composer', () => {
  it('sends on Enter and empties itself', async () => {
    const { field } = show(MessageComposer, { conversation: 7 })
    await field('Message').setValue('  See you at 5 ')
    await field('Message').trigger('keydown', { key: 'Enter' })
    expect(session.send).toHaveBeenCalledWith(7, 'See you at 5', null)
    expect((field('Message').element as HTMLTextAreaElement).value).toBe('')
  })

  it('does not send while an input method composes', async () => {
    const { field } = show(MessageComposer, { conversation: 7 })
    await field('Message').trigger('compositionstart')
    await field('Message').setValue('nihao')
    await field('Message').trigger('keydown', { key: 'Enter' })
    expect(session.send).not.toHaveBeenCalled()
    await field('Message').trigger('compositionend')
    await field('Message').trigger('keydown', { key: 'Enter' })
    expect(session.send).toHaveBeenCalledOnce()
  })

  it('sends nothing but words', async () => {
    const { field, button } = show(MessageComposer, { conversation: 7 })
    expect(button('Send message').attributes('disabled')).toBeDefined()
    await field('Message').setValue('   \n ')
    await field('Message').trigger('keydown', { key: 'Enter' })
    expect(session.send).not.toHaveBeenCalled()
  })

  it('counts from nine tenths of the limit and refuses what is over it', async () => {
    const { field, wrapper, button } = show(MessageComposer, { conversation: 7 })
    await field('Message').setValue('x'.repeat(8_999))
    expect(wrapper.text()).toBe('')
    await field('Message').setValue('x'.repeat(9_990))
    expect(wrapper.text()).toBe('10 characters left')
    await field('Message').setValue('x'.repeat(10_001))
    expect(wrapper.text()).toBe('1 character too many')
    expect(button('Send message').attributes('disabled')).toBeDefined()
  })

  it('tells that somebody types, and that it is over when the message is sent', async () => {
    const { field } = show(MessageComposer, { conversation: 7 })
    await field('Message').setValue('H')
    expect(session.typing).toHaveBeenLastCalledWith(false)
    await field('Message').trigger('keydown', { key: 'Enter' })
    expect(session.typing).toHaveBeenLastCalledWith(true)
  })
})
