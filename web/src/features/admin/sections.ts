import { PhGauge, PhListMagnifyingGlass, PhSquaresFour, PhTreeStructure } from '@phosphor-icons/vue'

/** The console's sections, in the order of its menu. */
export const sections = [
  { name: 'overview', icon: PhGauge },
  { name: 'log', icon: PhListMagnifyingGlass },
  { name: 'apps', icon: PhSquaresFour },
  { name: 'channels', icon: PhTreeStructure },
] as const

export type Section = (typeof sections)[number]['name']

/** A wide screen shows the first section beside the bare menu. */
export function sectionOf(given: unknown): Section {
  return sections.find(({ name }) => name === given)?.name ?? 'overview'
}
