// Mounts a component with what main.ts would give it, and finds elements as a person would.
import { mount } from '@vue/test-utils'
import { createPinia, setActivePinia } from 'pinia'
import type { Component } from 'vue'
import { createMemoryHistory, createRouter } from 'vue-router'
import { i18n } from '@/i18n'

export function show(component: Component, props: Record<string, unknown> = {}, store = () => {}) {
  const pinia = createPinia()
  setActivePinia(pinia)
  store()
  const router = createRouter({
    history: createMemoryHistory(),
    routes: [{ path: '/:rest(.*)*', component: { template: '<i />' } }],
  })
  const wrapper = mount(component, {
    props,
    global: { plugins: [pinia, i18n, router] },
    attachTo: document.body,
  })
  return {
    wrapper,
    router,
    button: (name: string) =>
      wrapper
        .findAll('button')
        .find((button) => (button.attributes('aria-label') ?? button.text()) === name)!,
    field(label: string) {
      const own = wrapper.find(`[aria-label="${label}"]`)
      if (own.exists()) return own
      const found = wrapper.findAll('label').find((element) => element.text() === label)!
      return wrapper.find(`[id="${found.attributes('for')}"]`)
    },
  }
}
