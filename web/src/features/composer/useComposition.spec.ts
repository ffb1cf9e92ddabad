import { describe, expect, it } from 'vitest'
import { useComposition } from './useComposition'

function key(change: Partial<KeyboardEvent> = {}) {
  return {
    key: 'Enter',
    isComposing: false,
    shiftKey: false,
    altKey: false,
    keyCode: 13,
    ...change,
  }
}

describe('Enter', () => {
  it('sends', () => expect(useComposition().sends(key())).toBe(true))
  it('with Shift breaks the line', () =>
    expect(useComposition().sends(key({ shiftKey: true }))).toBe(false))
  it('belongs to the input method while it composes', () =>
    expect(useComposition().sends(key({ isComposing: true, keyCode: 229 }))).toBe(false))

  it('belongs to it also where the browser does not say so', () => {
    const composition = useComposition()
    composition.start()
    expect(composition.sends(key())).toBe(false)
  })

  it('that ended the composition a moment ago does not send', () => {
    let now = 1000
    const composition = useComposition(() => now)
    composition.start()
    composition.end()
    now += 5
    expect(composition.sends(key({ keyCode: 229 }))).toBe(false)
    expect(composition.sends(key())).toBe(true)
    now += 500
    expect(composition.sends(key({ keyCode: 229 }))).toBe(true)
  })
})
