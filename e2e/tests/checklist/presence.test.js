// Items 25 to 33: who is there, who comes and who goes.

import assert from 'node:assert/strict';
import test from 'node:test';

import { ask, signChannel } from '../../lib/reverb.js';
import { count, joinAs, joinedAs, refused, subscriptionCount, withSockets } from '../../lib/sockets.js';
import { until } from '../../lib/wait.js';

const CHANNEL = 'presence-p';
const users = async (server) => (await ask(server, `/channels/${CHANNEL}/users`)).json.users.map(({ id }) => id).sort();

test('(25) the roster holds oneself: count, ids as texts, and an object from ids to what is known of them', withSockets({}, async ({ open }) => {
  const [ada, bob] = [await open(), await open()];
  const alone = await joinedAs(ada, CHANNEL, { user_id: '10', user_info: { name: 'Ada' } });
  assert.deepEqual(alone, { count: 1, ids: ['10'], hash: { 10: { name: 'Ada' } } });
  const both = await joinedAs(bob, CHANNEL, { user_id: '11', user_info: { name: 'Bob' } });
  assert.deepEqual({ ...both, ids: both.ids.sort() }, { count: 2, ids: ['10', '11'], hash: { 10: { name: 'Ada' }, 11: { name: 'Bob' } } });
  assert.deepEqual(await ada.next('pusher_internal:member_added'), {
    event: 'pusher_internal:member_added',
    channel: CHANNEL,
    data: '{"user_id":"11","user_info":{"name":"Bob"}}',
  });
  await bob.fence();
  assert.equal(count(bob, 'pusher_internal:member_added'), 0, 'nobody is told of himself');
}));

test('(26) two sockets of one user: one member_added, and one member_removed when the last goes', withSockets({}, async ({ server, open }) => {
  const [watcher, one, two, three] = await Promise.all(Array.from({ length: 4 }, () => open()));
  await joinedAs(watcher, CHANNEL, { user_id: 'watcher' });
  await joinedAs(one, CHANNEL, { user_id: 'ada', user_info: { window: 1 } });
  const second = await joinedAs(two, CHANNEL, { user_id: 'ada', user_info: { window: 2 } });
  assert.deepEqual([second.count, second.hash.ada], [2, { window: 1 }], 'what the first said of the user counts');
  one.close();
  await until('the first socket is gone', async () => (await subscriptionCount(server, CHANNEL)) === 2);
  const third = await joinedAs(three, CHANNEL, { user_id: 'ada', user_info: { window: 3 } });
  assert.deepEqual(third.hash.ada, { window: 2 }, 'then what the one that is left said');
  three.send({ event: 'pusher:unsubscribe', data: { channel: CHANNEL } });
  await until('the third is gone', async () => (await subscriptionCount(server, CHANNEL)) === 2);
  await watcher.fence();
  assert.deepEqual([count(watcher, 'pusher_internal:member_added'), count(watcher, 'pusher_internal:member_removed')], [1, 0]);
  two.send({ event: 'pusher:unsubscribe', data: { channel: CHANNEL } });
  assert.equal((await watcher.next('pusher_internal:member_removed')).data, '{"user_id":"ada"}');
  for (const frames of [one, two, three]) assert.equal(count(frames, 'pusher_internal:member_added'), 0, 'not told of itself');
  assert.deepEqual(await users(server), ['watcher']);
}));

test('(27) a user_id may be a whole number, and is told as text', withSockets({}, async ({ server, open }) => {
  const [watcher, frames] = [await open(), await open()];
  await joinedAs(watcher, CHANNEL, { user_id: 'w' });
  const { ids, hash } = await joinedAs(frames, CHANNEL, { user_id: 7, user_info: { n: 7 } });
  assert.deepEqual([ids.sort(), hash[7]], [['7', 'w'], { n: 7 }]);
  assert.equal((await watcher.next('pusher_internal:member_added')).data, '{"user_id":"7","user_info":{"n":7}}');
  assert.deepEqual(await users(server), ['7', 'w']);
  // The number and its text are one user.
  assert.equal((await joinedAs(await open(), CHANNEL, { user_id: '7' })).count, 2);
  frames.send({ event: 'client-x', channel: CHANNEL, data: 1 });
  assert.equal((await watcher.next('client-x')).user_id, '7');
}));

test('(27) other kinds of user_id are refused', withSockets({}, async ({ open }) => {
  const frames = await open();
  const bad = ['{}', '[]', '7', 'nothing', '{"user_id":true}', '{"user_id":null}', '{"user_id":{}}', '{"user_id":""}',
    '{"user_id":1.5}', JSON.stringify({ user_id: 'u'.repeat(201) })];
  for (const data of bad) {
    joinAs(frames, CHANNEL, data);
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.channel], [4009, CHANNEL], data);
  }
  frames.subscribe(CHANNEL, { auth: signChannel(frames.socketId, CHANNEL) });
  assert.equal((await refused(frames)).code, 4009, 'no member at all');
}));

test('(28) with the ids 0, 1 and 2 the hash is an object all the same', withSockets({}, async ({ open }) => {
  const sockets = await Promise.all([0, 1, 2].map(() => open()));
  let presence;
  for (const [n, frames] of sockets.entries()) presence = await joinedAs(frames, CHANNEL, { user_id: String(n), user_info: { n } });
  assert.deepEqual(presence.ids.sort(), ['0', '1', '2']);
  assert.ok(!Array.isArray(presence.hash));
  assert.deepEqual(presence.hash, { 0: { n: 0 }, 1: { n: 1 }, 2: { n: 2 } });
}));

test('(29) who is cut off without a word is told to have left', withSockets({}, async ({ server, open }) => {
  const [watcher, gone] = [await open(), await open()];
  await joinedAs(watcher, CHANNEL, { user_id: 'ada' });
  await joinedAs(gone, CHANNEL, { user_id: 'bob' });
  gone.ws._socket.resetAndDestroy();
  assert.deepEqual(await watcher.next('pusher_internal:member_removed'), {
    event: 'pusher_internal:member_removed',
    channel: CHANNEL,
    data: '{"user_id":"bob"}',
  });
  assert.deepEqual(await users(server), ['ada']);
}));

test('(30) a full channel refuses a new user, not a user who is there already', withSockets(
  { CHINWAG_APP_PRESENCE_MEMBERS_MAX: '2' },
  async ({ open }) => {
    const sockets = [];
    for (const user of ['ada', 'bob', 'ada']) {
      sockets.push(await open());
      await joinedAs(sockets.at(-1), CHANNEL, { user_id: user });
    }
    const frames = await open();
    joinAs(frames, CHANNEL, { user_id: 'cleo' });
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.status, refusal.type], [null, 4100, 'LimitReached']);
    sockets[1].close();
    await sockets[0].next('pusher_internal:member_removed');
    assert.equal((await joinedAs(frames, CHANNEL, { user_id: 'cleo' })).count, 2);
  },
));

test('(30) too much about one member is refused with the limit', withSockets({}, async ({ open }) => {
  const frames = await open();
  joinAs(frames, CHANNEL, { user_id: 'a', user_info: 'x'.repeat(2_048) });
  const refusal = await refused(frames);
  assert.deepEqual([refusal.status, refusal.type], [4301, 'LimitReached']);
  assert.match(refusal.error, /2048 bytes/);
}));

test('(31) user_info may be left out, true, null, a list or nested, and comes as it was given', withSockets({}, async ({ open }) => {
  const members = [
    ['{"user_id":"none"}', {}],
    ['{"user_id":"true","user_info":true}', true],
    ['{"user_id":"null","user_info":null}', [null, {}]],
    ['{"user_id":"list","user_info":[1]}', [1]],
    ['{"user_id":"nested","user_info":{"a":{"b":[{"c":"Zo\\u00eb"}]},"e":{},"l":[]}}', { a: { b: [{ c: 'Zoë' }] }, e: {}, l: [] }],
    ['{"user_id":12345678901234567890}', {}],
    ['{"user_id":"ü"}', {}],
  ];
  const watcher = await open();
  await joinedAs(watcher, CHANNEL, { user_id: 'watcher' });
  for (const [data, info] of members) {
    const frames = await open();
    const { hash, ids, count: all } = await joinedAs(frames, CHANNEL, data);
    const id = data.match(/"user_id":"?([^",}]+)/)[1];
    assert.equal(ids.length, all);
    assert.ok(ids.includes(id), id);
    const added = JSON.parse((await watcher.next('pusher_internal:member_added')).data);
    const expected = data.includes('null') ? hash[id] ?? null : info;
    assert.deepEqual([hash[id] ?? null, added], [expected, { user_id: id, user_info: expected }], data);
  }
}));

test('(32) [one node] all its workers tell one roster, one first and one last', withSockets({ CHINWAG_WORKERS: '4' }, async ({ server, open }) => {
  const sockets = await Promise.all(Array.from({ length: 16 }, () => open()));
  const watcher = await open();
  await joinedAs(watcher, CHANNEL, { user_id: 'watcher' });
  for (const [n, frames] of sockets.entries()) {
    const { count: there } = await joinedAs(frames, CHANNEL, { user_id: `u${n % 4}` });
    assert.equal(there, 1 + Math.min(n + 1, 4));
  }
  await Promise.all(sockets.map((frames) => frames.fence()));
  for (const [n, frames] of sockets.entries()) {
    // Of the four users, each was told of those that came after its first socket was there.
    const added = frames.inbox.all.filter(({ event }) => event.endsWith('member_added')).map(({ data }) => JSON.parse(data).user_id);
    assert.deepEqual(added, ['u0', 'u1', 'u2', 'u3'].slice(Math.min(n + 1, 4)), `socket ${n}`);
  }
  assert.deepEqual(await users(server), ['u0', 'u1', 'u2', 'u3', 'watcher']);
  for (const frames of sockets.slice(0, 12)) frames.close();
  await until('most sockets are gone', async () => (await subscriptionCount(server, CHANNEL)) === 5);
  await watcher.fence();
  assert.equal(count(watcher, 'pusher_internal:member_removed'), 0);
  for (const frames of sockets.slice(12)) frames.close();
  for (let n = 0; n < 4; n += 1) await watcher.next('pusher_internal:member_removed');
  assert.deepEqual(await users(server), ['watcher']);
}));

test('(32) [one node] members who come and go at once are told in an order that makes sense', withSockets({ CHINWAG_WORKERS: '4' }, async ({ open }) => {
  const watcher = await open();
  await joinedAs(watcher, CHANNEL, { user_id: 'watcher' });
  const others = await Promise.all(Array.from({ length: 20 }, () => open()));
  for (const [n, frames] of others.entries()) joinAs(frames, CHANNEL, { user_id: `u${n % 5}` });
  others.forEach((frames) => frames.ws.close());
  const there = new Set();
  const [removed, added] = ['member_removed', 'member_added'].map((name) => () => count(watcher, `pusher_internal:${name}`));
  await until('all have left', () => removed() >= 5 && removed() === added());
  await watcher.fence();
  for (const { event, data } of watcher.inbox.all) {
    const user = data && JSON.parse(data).user_id;
    if (event.endsWith('member_added')) assert.ok(!there.has(user) && there.add(user), `${user} is added twice`);
    if (event.endsWith('member_removed')) assert.ok(there.delete(user), `${user} leaves who was not there`);
  }
  assert.equal(there.size, 0);
}));

test('(33) [one node] after a kill -9 nobody is there who has not come back', withSockets({}, async ({ server, open }) => {
  for (const user of ['ada', 'bob', 'cleo']) await joinedAs(await open(), CHANNEL, { user_id: user });
  assert.deepEqual(await users(server), ['ada', 'bob', 'cleo']);
  await server.restart('SIGKILL');
  assert.deepEqual(await users(server), []);
  assert.deepEqual((await ask(server, '/channels')).json, { channels: {} });
  const back = await open();
  assert.deepEqual((await joinedAs(back, CHANNEL, { user_id: 'ada' })).ids, ['ada']);
  await joinedAs(await open(), CHANNEL, { user_id: 'bob' });
  assert.equal(JSON.parse((await back.next('pusher_internal:member_added')).data).user_id, 'bob');
  assert.equal(count(back, 'pusher_internal:member_removed'), 0);
}));
