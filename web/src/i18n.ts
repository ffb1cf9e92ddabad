import { computed } from 'vue'
import { createI18n } from 'vue-i18n'
import en from './locales/en.json'

export const i18n = createI18n({
  legacy: false,
  locale: 'en',
  fallbackLocale: 'en',
  messages: { en },
})

/** The sentence for an error code of the API; unknown codes get the general one. */
export function errorText(code: string): string {
  const { t, te } = i18n.global
  return te(`errors.${code}`) ? t(`errors.${code}`) : t('errors.unknown')
}

/** Hours and dates follow the browser's region where it speaks the language of the page. */
export const timeLocale = computed(() => {
  const language = i18n.global.locale.value
  return navigator.languages.find((tag) => tag.split('-')[0] === language) ?? language
})
