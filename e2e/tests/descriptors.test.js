// The process has used up the descriptors the system gives it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import test from 'node:test';

import { openTcp } from '../lib/tcp.js';
import { admitted, withSockets } from '../lib/sockets.js';
import { until } from '../lib/wait.js';

const ROOM = 'private-room';

test('without descriptors the connections there are go on, and others come in once there are some again', withSockets({}, async ({ server, open }) => {
  const [one, other] = [await open(), await open()];
  await admitted(one, ROOM);
  await admitted(other, ROOM);
  const held = () => readdirSync(`/proc/${server.pid}/fd`).length;
  const few = held() + 10;
  execFileSync('prlimit', ['--pid', String(server.pid), `--nofile=${few}:${few}`]);

  const crowd = await Promise.all(Array.from({ length: 40 }, () => openTcp(server)));
  await until('all descriptors are used', () => held() >= few);
  for (let n = 0; n < 5; n += 1) {
    one.send({ event: 'client-note', channel: ROOM, data: { n } });
    const { data } = await other.next('client-note');
    assert.deepEqual(JSON.parse(data), { n });
  }
  await until('the log says so', () => server.stderr.includes('cannot be accepted'));

  crowd.forEach((socket) => socket.close());
  const late = await open();
  await admitted(late, ROOM);
  one.send({ event: 'client-note', channel: ROOM, data: { n: 'late' } });
  assert.deepEqual(JSON.parse((await late.next('client-note')).data), { n: 'late' });
}));
