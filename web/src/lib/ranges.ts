// Sorted, disjoint, closed ranges of sequence numbers: which messages are held without a hole.

export type Range = readonly [first: number, last: number]

/** The union with one more range; neighbours melt together. */
export function addRange(ranges: readonly Range[], first: number, last: number): Range[] {
  if (last < first) return [...ranges]
  const result: Range[] = []
  for (const range of ranges) {
    if (range[1] + 1 < first || last + 1 < range[0]) result.push(range)
    else {
      first = Math.min(first, range[0])
      last = Math.max(last, range[1])
    }
  }
  result.push([first, last])
  return result.sort((a, b) => a[0] - b[0])
}

export function rangeAt(ranges: readonly Range[], seq: number): Range | null {
  return ranges.find(([first, last]) => first <= seq && seq <= last) ?? null
}
