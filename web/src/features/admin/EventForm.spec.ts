import { flushPromises } from '@vue/test-utils'
import { describe, expect, it, vi } from 'vitest'
import { show } from '@/testing/mount'
import EventForm from './EventForm.vue'

function answer(status: number, body: unknown) {
  return vi
    .spyOn(globalThis, 'fetch')
    .mockResolvedValue(new Response(JSON.stringify(body), { status }))
}

async function send(fields: Record<string, string>) {
  const form = show(EventForm, { apps: ['shop', 'blog'] })
  for (const [label, value] of Object.entries(fields)) await form.field(label).setValue(value)
  await form.wrapper.find('form').trigger('submit')
  await flushPromises()
  return form.wrapper
}

const good = { Channel: 'room', Event: 'moved', 'Data, JSON': '{"x":1}' }

describe('the event creator', () => {
  it('sends the event and says how many it reached', async () => {
    const fetch = answer(200, { channel: 'room', subscribers: 6 })
    const wrapper = await send(good)
    const [path, request] = fetch.mock.calls[0]!
    expect(path).toBe('/api/v1/admin/apps/shop/events')
    expect(JSON.parse(String(request!.body))).toEqual({
      channel: 'room',
      name: 'moved',
      data: '{"x":1}',
    })
    expect(wrapper.find('[role=status]').text()).toBe('Sent to 6 subscribers')
  })

  it('does not send what cannot be right', async () => {
    const fetch = answer(200, {})
    const wrapper = await send({ 'Data, JSON': '{x' })
    expect(fetch).not.toHaveBeenCalled()
    expect(wrapper.findAll('[aria-invalid]')).toHaveLength(3)
  })

  it('shows a refusal where the fault is', async () => {
    answer(422, {
      code: 'channel_invalid',
      errors: [{ field: 'channel', code: 'channel_invalid' }],
    })
    const wrapper = await send({ ...good, Channel: 'a room' })
    expect(wrapper.find('[aria-invalid]').attributes('placeholder')).toBe('room.17')
    expect(wrapper.text()).toContain('letters, digits')
  })
})
