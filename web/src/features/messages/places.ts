import type { Place } from './useScrollWindow'

/** Where the reader left each conversation, for the life of the page. */
export const places = new Map<number, Place>()
