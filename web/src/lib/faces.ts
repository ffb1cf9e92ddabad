// Everyone's own default face: a hue and an angle from the id, initials from the name.

const hues = [8, 32, 100, 130, 158, 188, 222, 255, 290, 335]

export function hueOf(id: number): number {
  return hues[(id * 7) % 10]!
}

export function turnOf(id: number): number {
  return ((id * 11) % 12) * 30
}

const han = /^\p{Script=Han}{2,4}$/u

export function isHanName(name: string): boolean {
  return han.test(name.replace(/\s/g, ''))
}

export function initialsOf(name: string): string {
  const compact = name.replace(/\s/g, '')
  if (isHanName(name)) return [...compact].slice(-2).join('')
  const words = name
    .split(/[\s_.-]+/)
    .map((word) => /[\p{L}\p{N}]/u.exec(word)?.[0])
    .filter((letter) => letter !== undefined)
  const first = words[0] ?? [...compact][0] ?? ''
  const last = words.length > 1 ? words[words.length - 1]! : ''
  return (first + last).toLocaleUpperCase()
}
