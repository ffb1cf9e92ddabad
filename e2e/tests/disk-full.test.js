// The disk is full: what cannot be kept is refused, what was acknowledged stays, and with room it goes on.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { rm } from 'node:fs/promises';
import test from 'node:test';

import { register } from '../lib/people.js';
import { withServer } from '../lib/server.js';
import { until } from '../lib/wait.js';

/** Runs the server in a name space of its own, where its data is on a small disk with a ballast that may go. */
const apart = ['unshare', '--mount', ...(process.getuid() === 0 ? [] : ['--map-root-user']), 'sh', '-ec'];
const onSmallDisk = [
  ...apart,
  'mkdir -p data; mount -t tmpfs -o size=16m none data; head -c 8m /dev/zero > data/ballast; exec "$0"',
];

/** Some containers forbid it to everybody. */
const mayMount = spawnSync(apart[0], [...apart.slice(1), 'mount -t tmpfs none /mnt']).status === 0;
const options = mayMount ? {} : { skip: 'nothing may be mounted here' };

test('a full disk refuses what it cannot keep, loses nothing, and works again with room', options, withServer({ CHINWAG_RATE_LIMITS: 'false' }, async (server, t) => {
  const ada = await register(server, 'ada');
  const { id } = await ada.direct(ada);
  const path = `/conversations/${id}/messages`;
  const acknowledged = [];
  const refused = [];
  const attempt = async (clientId) => {
    const answer = await ada.call('POST', path, { client_id: clientId, body: `${clientId} ${'long '.repeat(1_500)}` });
    if ([200, 201].includes(answer.status)) acknowledged.push(answer.body);
    else {
      assert.ok([503, 507].includes(answer.status), `${answer.status} ${JSON.stringify(answer.body)}`);
      assert.ok(['storage_full', 'unavailable'].includes(answer.body.code), answer.body.code);
      refused.push(clientId);
    }
  };
  await until('the disk is full', async () => {
    await Promise.all(Array.from({ length: 8 }, () => attempt(randomUUID())));
    return refused.length >= 16;
  }, 60_000);
  // What is there can be read meanwhile.
  assert.equal((await ada.history(id)).length, acknowledged.length);

  await rm(`/proc/${server.pid}/root${server.folder}/data/ballast`);
  const waiting = refused.splice(0);
  for (const clientId of waiting) {
    await until('it is taken', async () => {
      const before = acknowledged.length;
      await attempt(clientId);
      return acknowledged.length > before;
    });
  }
  const history = await ada.history(id);
  assert.deepEqual(history.map(({ seq }) => seq), history.map((_, index) => index + 1), 'no hole');
  const told = acknowledged.map((message) => message.id).sort((a, b) => a - b);
  assert.deepEqual(history.map((message) => message.id), told, 'each once');
  t.diagnostic(`${acknowledged.length} messages, ${waiting.length} refused at first`);
}, { command: onSmallDisk }));
