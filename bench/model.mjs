// How cost grows: arithmetic over the figures of docs/PERFORMANCE.md, and a simulation of clients that come back.
// Run with `node bench/model.mjs`.

// From one 2-core machine over loopback; processor time in microseconds, memory in KiB. Replace them by your own.
const cost = {
  delivery: 4.5, // one frame, one write: nearly all of it the kernel's
  deliveryInBacklog: 0.6, // the same when eight or more frames go in one write
  connect: 55, // accept, handshake, subscribe
  memory: 3.5, // of an idle connection in this process
  memoryTls: 6, // more of it under TLS
  kernel: 4, // estimated: socket, descriptor and epoll entry, without what is queued
  ping: 9, // estimated: a ping frame out and a pong in
}
const pingIntervalS = 60
const share = 0.7 // of a processor, so that bursts find room

const row = (...cells) => console.log(cells.map((cell) => String(cell).padStart(16)).join(''))
const thousands = (number) => Math.round(number).toLocaleString('en')

console.log('Deliveries a second at 70 % of the processors, and memory:')
row('connections', 'processors', 'pings use', 'lone writes', 'in backlogs', 'memory GiB', 'with TLS GiB')
for (const connections of [10_000, 100_000, 1_000_000]) {
  for (const cores of [2, 8, 32]) {
    const pings = (connections / pingIntervalS) * cost.ping
    const left = cores * 1e6 * share - pings
    const gib = (kib) => ((connections * kib) / 1024 / 1024).toFixed(1)
    row(
      thousands(connections), cores, `${((pings / cores / 1e6) * 100).toFixed(1)} %`,
      left > 0 ? thousands(left / cost.delivery) : '-', left > 0 ? thousands(left / cost.deliveryInBacklog) : '-',
      gib(cost.memory + cost.kernel), gib(cost.memory + cost.kernel + cost.memoryTls),
    )
  }
}

console.log('\nA node ends and its clients come back, each after a random part of a second that doubles with each failure:')
row('connections', 'processors', 'backlog', 'seconds', 'turned away')
for (const [connections, cores, backlog] of [
  [15_000, 2, 4096], [100_000, 2, 4096], [100_000, 8, 4096], [1_000_000, 8, 4096], [1_000_000, 32, 65_535],
]) {
  const { seconds, refused } = comeBack(connections, cores, backlog)
  row(thousands(connections), cores, thousands(backlog), seconds.toFixed(1), thousands(refused))
}

// Steps of 10 ms. A connection that finds the backlogs full tries again; one worker serves one backlog.
function comeBack(connections, cores, backlog) {
  const step = 0.01
  const perStep = ((cores * 1e6 * share) / cost.connect) * step
  let random = 42
  const next = () => (random = (random * 48271) % 2147483647) / 2147483647
  const due = new Map()
  const add = (at, tries) => {
    const slot = Math.ceil(at / step)
    if (!due.has(slot)) due.set(slot, [])
    due.get(slot).push(tries)
  }
  for (let n = 0; n < connections; n++) add(next(), 0)
  let [waiting, open, refused, slot] = [0, 0, 0, 0]
  while (open < connections) {
    for (const tries of due.get(slot) ?? []) {
      if (waiting < backlog * cores) waiting++
      else {
        refused++
        add(slot * step + step + next() * 2 ** Math.min(tries + 1, 5), tries + 1)
      }
    }
    due.delete(slot)
    const served = Math.min(waiting, perStep)
    waiting -= served
    open = Math.round((open + served) * 1e6) / 1e6
    if (waiting < 1e-6 && due.size === 0) break
    slot++
  }
  return { seconds: slot * step, refused }
}
