import { describe, expect, it } from 'vitest'
import { areaPath, lastOf, linePath, perSecond, pointsOf, scaleFor, sumOf } from './chart'

describe('the scale', () => {
  it.each([
    [0, 1, [0, 1]],
    [1, 1, [0, 1]],
    [2, 1, [0, 1, 2]],
    [3, 1, [0, 1, 2, 3]],
    [4, 1, [0, 2, 4]],
    [12, 1, [0, 4, 8, 12]],
    [13, 1, [0, 5, 10, 15]],
    [2744, 1, [0, 1000, 2000, 3000]],
    [2100, 1, [0, 800, 1600, 2400]],
    [0.25, 0.1, [0, 0.1, 0.2, 0.3]],
    [0, 0.1, [0, 0.1]],
    [1_000_000, 1, [0, 400_000, 800_000, 1_200_000]],
  ])('of %d goes from zero in round steps', (highest, smallest, ticks) => {
    expect(scaleFor(highest, smallest)).toEqual({ max: ticks.at(-1), ticks })
  })

  it('always holds the highest value with two to four ticks', () => {
    for (let highest = 0; highest < 20_000; highest += 7) {
      const { max, ticks } = scaleFor(highest)
      expect(max).toBeGreaterThanOrEqual(highest)
      expect(ticks.length).toBeGreaterThanOrEqual(2)
      expect(ticks.length).toBeLessThanOrEqual(4)
    }
  })
})

describe('the line', () => {
  const box = { width: 100, height: 50 }

  it('fills the box from edge to edge, zero at the foot', () => {
    expect(pointsOf([0, 5, 10], box, 10)).toEqual([
      [
        { x: 0, y: 50 },
        { x: 50, y: 25 },
        { x: 100, y: 0 },
      ],
    ])
  })

  it('breaks where nothing was observed', () => {
    const runs = pointsOf([null, 5, null, 10, 10], box, 10)
    expect(runs.map((run) => run.length)).toEqual([1, 2])
    expect(linePath(runs)).toBe('M25 25h.1M75 0L100 0')
    expect(areaPath(runs, 50)).toBe('M25 50L25 25V50ZM75 50L75 0L100 0V50Z')
  })

  it('is nothing when there is nothing', () => {
    expect(linePath(pointsOf([null, null], box, 10))).toBe('')
    expect(pointsOf([], box, 10)).toEqual([])
  })
})

describe('sums and rates', () => {
  it('adds apps up, knowing what any of them knows', () => {
    expect(sumOf([[1, null, null], [2, 3, null], []])).toEqual([3, 3, null])
    expect(sumOf([])).toEqual([])
  })

  it('takes only the part of the newest step that has passed', () => {
    expect(perSecond([600, null, 600], 600, 60)).toEqual([1, null, 10])
    expect(perSecond([600], 600, 0)).toEqual([600])
  })

  it('knows the newest value there is', () => {
    expect(lastOf([1, 2, null])).toBe(2)
    expect(lastOf([null])).toBe(null)
  })
})
