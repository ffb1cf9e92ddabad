// The look of this browser: kept here, applied before the first paint by src/page/theme.js.
import { reactive, watch } from 'vue'

export const themes = ['light', 'dark', 'system'] as const
export const colours = ['marmalade', 'greengage', 'bottle', 'cornish', 'heather', 'damson'] as const

export interface Look {
  theme: (typeof themes)[number]
  you: (typeof colours)[number]
  /** Pixels, 12 to 24. */
  text: number
}

const key = 'chinwag.look'

function stored(): Partial<Look> {
  try {
    return JSON.parse(localStorage.getItem(key) ?? '{}') ?? {}
  } catch {
    return {}
  }
}

export const look = reactive<Look>({ theme: 'system', you: 'marmalade', text: 15, ...stored() })

const dark = matchMedia('(prefers-color-scheme: dark)')

function apply(): void {
  const root = document.documentElement
  const system = dark.matches ? 'dark' : 'light'
  root.dataset.theme = look.theme === 'system' ? system : look.theme
  root.dataset.you = look.you
  root.style.setProperty('--text', `${look.text}px`)
}

dark.addEventListener('change', apply)
watch(look, () => {
  apply()
  try {
    localStorage.setItem(key, JSON.stringify(look))
  } catch {
    // Lasts until the page is closed, then.
  }
})
