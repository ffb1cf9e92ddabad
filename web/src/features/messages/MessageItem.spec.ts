import { describe, expect, it } from 'vitest'
import { useMessenger } from '@/model'
import { aMe, aMessage, aUser } from '@/testing/factory'
import { show } from '@/testing/mount'
import MessageItem from './MessageItem.vue'

function item(change: Parameters<typeof aMessage>[1], props: Record<string, unknown> = {}) {
  const message = aMessage(3, { created_at: '2026-03-12T14:05:00.000Z', ...change })
  return show(
    MessageItem,
    {
      row: {
        key: 'k',
        seq: 3,
        message,
        outbox: null,
        at: new Date(message.created_at),
        clock: true,
      },
      own: false,
      closing: true,
      state: null,
      ticked: false,
      lit: false,
      ...props,
    },
    () => {
      const store = useMessenger()
      store.me = aMe(1)
      store.applyPerson(aUser(2, { display_name: 'Anna' }))
    },
  )
}

describe('a message', () => {
  it('is labelled with author, text and time', () => {
    const { wrapper } = item({ body: 'See you at 5' })
    expect(wrapper.find('article').attributes('aria-label')).toMatch(/^Anna: See you at 5, /)
  })

  it('of one’s own says how far it got', () => {
    const { wrapper } = item(
      { author_id: 1, body: 'Hi' },
      { own: true, state: 'seen', ticked: true },
    )
    expect(wrapper.find('article').attributes()).toMatchObject({
      'data-state': 'seen',
      'data-seq': '3',
    })
    expect(wrapper.find('article').attributes('aria-label')).toMatch(/^You: Hi, .*seen$/)
  })

  it('never becomes markup', () => {
    const { wrapper } = item({ body: '<img src=x onerror=alert(1)> https://example.org' })
    expect(wrapper.find('img').exists()).toBe(false)
    expect(wrapper.find('a').attributes()).toMatchObject({
      href: 'https://example.org',
      rel: 'noopener noreferrer nofollow',
    })
  })

  it('that is deleted shows only that, and cannot be answered', () => {
    const { wrapper, button } = item({ body: undefined, deleted_at: '2026-03-12T14:06:00.000Z' })
    expect(wrapper.text()).toContain('Message deleted')
    expect(button('Reply')).toBeUndefined()
  })

  it('is answered with R while it has the focus', async () => {
    const { wrapper } = item({})
    await wrapper.find('article').trigger('keydown', { key: 'r' })
    expect(wrapper.emitted('reply')).toHaveLength(1)
  })
})
