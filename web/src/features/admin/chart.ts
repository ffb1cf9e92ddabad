// What a chart draws, as pure functions of numbers: scales, paths, sums.
import type { Series } from '@/api'

export interface Scale {
  max: number
  ticks: number[]
}

const steps = [1, 2, 4, 5, 8, 10]

/** From zero to a round number above the highest value, with three or four ticks. */
export function scaleFor(highest: number, smallest = 1): Scale {
  const wanted = Math.max(highest, smallest)
  const power = 10 ** Math.floor(Math.log10(wanted / 3))
  const step = Math.max(
    steps.map((n) => n * power).find((n) => n * 3 >= wanted - 1e-9) ?? 10 * power,
    smallest,
  )
  const count = Math.max(1, Math.ceil(wanted / step - 1e-9))
  // 0.1 + 0.2 must not show as 0.30000000000000004.
  const ticks = Array.from({ length: count + 1 }, (_, n) => Number((n * step).toPrecision(12)))
  return { max: ticks[count]!, ticks }
}

export interface Point {
  x: number
  y: number
}

export interface Box {
  width: number
  height: number
}

/** Points of a series in a box, in runs that end where nothing was observed. */
export function pointsOf(series: Series, box: Box, max: number): Point[][] {
  const last = Math.max(1, series.length - 1)
  const runs: Point[][] = []
  let run: Point[] | null = null
  series.forEach((value, index) => {
    if (value === null) {
      run = null
      return
    }
    if (!run) runs.push((run = []))
    run.push({ x: (index / last) * box.width, y: box.height * (1 - value / max) })
  })
  return runs
}

const round = (n: number) => Math.round(n * 10) / 10
const at = ({ x, y }: Point) => `${round(x)} ${round(y)}`

export function linePath(runs: Point[][]): string {
  // A run of one point is still seen, as a dot of the line's own width.
  return runs.map((run) => `M${run.map(at).join('L')}${run.length === 1 ? 'h.1' : ''}`).join('')
}

export function areaPath(runs: Point[][], height: number): string {
  return runs
    .map((run) => `M${round(run[0]!.x)} ${height}L${run.map(at).join('L')}V${height}Z`)
    .join('')
}

/** Place by place; a place is known as soon as one of them knows it. */
export function sumOf(all: Series[]): Series {
  const longest = Math.max(0, ...all.map((series) => series.length))
  return Array.from({ length: longest }, (_, n) =>
    all.reduce<number | null>((sum, series) => {
      const value = series[n] ?? null
      return value === null ? sum : (sum ?? 0) + value
    }, null),
  )
}

/** Counts as rates. The newest step has only just begun: only `newest_s` of it have passed. */
export function perSecond(series: Series, step_s: number, newest_s: number): Series {
  return series.map((value, n) =>
    value === null ? null : value / (n === series.length - 1 ? Math.max(1, newest_s) : step_s),
  )
}

export function lastOf(series: Series): number | null {
  return series.findLast((value) => value !== null) ?? null
}

export function highestOf(series: Series): number {
  return series.reduce<number>((highest, value) => Math.max(highest, value ?? 0), 0)
}
