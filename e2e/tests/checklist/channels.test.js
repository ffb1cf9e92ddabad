// Items 15 to 24: which channels there are, who may join them, and in what order things come.

import assert from 'node:assert/strict';
import test from 'node:test';

import { APP, asChinwag, sdk, signChannel, trigger } from '../../lib/reverb.js';
import { admitted, count, onChannel, refused, subscriptionCount, withSockets } from '../../lib/sockets.js';
import { until } from '../../lib/wait.js';

const GUARDED = [
  'private-',
  'private-cache-',
  'private-encrypted-',
  'private-encrypted-cache-',
  'presence-',
  'presence-cache-',
];
const OTHER_APP = { id: 'other', key: 'other-key', secret: 'other-secret' };
const TWO_APPS = { settings: `[[apps]]\nid = "${OTHER_APP.id}"\nkey = "${OTHER_APP.key}"\nsecret = "${OTHER_APP.secret}"\n` };
const withTwoApps = (body) => withSockets(() => asChinwag(), body, TWO_APPS);

const memberOf = (channel) => (channel.startsWith('presence-') ? JSON.stringify({ user_id: 'ada' }) : undefined);

for (const prefix of GUARDED) {
  test(`(15) ${prefix} admits the right signature, and no missing, bad, foreign or other key's one`, withTwoApps(async ({ server, open }) => {
    const frames = await open();
    const channel = `${prefix}room`;
    const data = memberOf(channel);
    const sign = (socketId, name, keys) => signChannel(socketId, name, data, keys);
    const good = sign(frames.socketId, channel);
    const [key, signature] = good.split(':');
    const bad = {
      missing: undefined,
      empty: '',
      'no key': signature,
      'no signature': `${key}:`,
      'another key': `other:${signature}`,
      'the key of another app': `${OTHER_APP.key}:${signature}`,
      'another app, properly signed': sign(frames.socketId, channel, OTHER_APP),
      'our key, signed by another app': sign(frames.socketId, channel, { ...OTHER_APP, key }),
      'another secret': sign(frames.socketId, channel, { key, secret: 'guess' }),
      'another socket': sign('1.1', channel),
      'another channel': sign(frames.socketId, `${channel}s`),
      'one digit changed': good.replace(/.$/, (last) => (last === '0' ? '1' : '0')),
      'one digit short': good.slice(0, -1),
      'one digit more': `${good}0`,
    };
    for (const [what, auth] of Object.entries(bad)) {
      frames.subscribe(channel, { auth, channel_data: data });
      const refusal = await refused(frames);
      assert.deepEqual([refusal.code, refusal.channel, refusal.type], [4009, channel, 'AuthError'], what);
      assert.equal(refusal.status, 401, what);
      assert.ok(!JSON.stringify(frames.inbox.all).includes(signature), 'the right signature is not told');
    }
    await trigger(server, { name: 'secret', channel, data: '1' });
    await frames.fence();
    assert.equal(count(frames, 'secret'), 0);
    await frames.subscribed(channel, { auth: good, channel_data: data });
    await trigger(server, { name: 'secret', channel, data: '1' });
    await frames.next('secret');
  }));
}

test('(15) the same names in two apps are two channels', withTwoApps(async ({ server, open }) => {
  const [ours, theirs] = [await open(), await open({ key: OTHER_APP.key })];
  await admitted(ours, 'private-room');
  await admitted(theirs, 'private-room', OTHER_APP);
  await trigger(server, { name: 'ours', channel: 'private-room', data: '1' });
  await ours.next('ours');
  await sdk(server, { appId: OTHER_APP.id, ...OTHER_APP }).trigger('private-room', 'theirs', {});
  await theirs.next('theirs');
  assert.deepEqual([count(theirs, 'ours'), count(ours, 'theirs')], [0, 0]);
}));

for (const prefix of ['private-cache-', 'private-encrypted-cache-', 'presence-cache-']) {
  test(`(16) ${prefix} with a bad signature is refused, and nothing it keeps is told`, withSockets({}, async ({ server, open }) => {
    const channel = `${prefix}orders`;
    await trigger(server, { name: 'kept', channel, data: '{"secret":1}' });
    const frames = await open();
    for (const auth of [undefined, '', `${APP.key}:${'0'.repeat(64)}`, signChannel('1.1', channel, memberOf(channel))]) {
      frames.subscribe(channel, { auth, channel_data: memberOf(channel) });
      assert.equal((await refused(frames)).status, 401);
    }
    await trigger(server, { name: 'live', channel, data: '1' });
    await frames.fence();
    const events = onChannel(frames, channel).map(({ event }) => event);
    assert.deepEqual(events, Array.from({ length: 4 }, () => 'pusher:subscription_error'));
  }));
}

test('(17) presence-cache- is joined: the roster, what is kept, then the others', withSockets({}, async ({ server, open }) => {
  const channel = 'presence-cache-lobby';
  await trigger(server, { name: 'kept', channel, data: '{"n":1}' });
  const [ada, bob] = [await open(), await open()];
  for (const [frames, user] of [[ada, 'ada'], [bob, 'bob']]) {
    const data = JSON.stringify({ user_id: user });
    const { data: answer } = await frames.subscribed(channel, {
      auth: signChannel(frames.socketId, channel, data),
      channel_data: data,
    });
    assert.ok(JSON.parse(answer).presence.ids.includes(user));
    assert.deepEqual(await frames.inbox.take('what is kept'), { event: 'kept', channel, data: '{"n":1}' });
  }
  const added = await ada.next('pusher_internal:member_added');
  assert.deepEqual(JSON.parse(added.data), { user_id: 'bob', user_info: {} });
}));

test('(18) a prefix counts only whole and at the beginning', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  const plain = ['privateer', 'presenceX', 'notprivate-x', 'xpresence-x', 'mycache-x', 'cacheable', 'Private-x', 'private', 'x', '-'];
  for (const name of plain) {
    await frames.subscribed(name);
    await trigger(server, { name: 'n', channel: name, data: '1' });
    assert.equal((await frames.next('n')).channel, name);
  }
  assert.equal(count(frames, 'pusher:cache_miss'), 0);
  // None of them keeps anything either.
  const late = await open();
  for (const name of plain) await late.subscribed(name);
  await late.fence();
  assert.equal(count(late, 'n'), 0);
}));

test('(19) names: 200 characters, commas and semicolons yes; 201, spaces, colons and # no', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (const name of ['c'.repeat(200), 'room=1@a,b;c.d_e-F', ',', ';']) await frames.subscribed(name);
  for (const name of ['c'.repeat(201), '', 'a b', 'a:b', 'a/b', 'é', '#x', '#private-x', 'a\n', '\u0000']) {
    frames.subscribe(name);
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.status, refusal.channel ?? ''], [null, 4009, name], name);
    assert.ok(refusal.message);
  }
}));

test('(20) subscribing twice is confirmed twice, and counts, announces and delivers once', withSockets({}, async ({ server, open }) => {
  const [frames, other] = [await open(), await open()];
  const data = JSON.stringify({ user_id: 'ada' });
  const wish = { auth: signChannel(frames.socketId, 'presence-p', data), channel_data: data };
  const bobs = JSON.stringify({ user_id: 'bob' });
  await other.subscribed('presence-p', { auth: signChannel(other.socketId, 'presence-p', bobs), channel_data: bobs });
  for (let n = 0; n < 2; n += 1) {
    await frames.subscribed('room');
    const { data: answer } = await frames.subscribed('presence-p', wish);
    assert.equal(JSON.parse(answer).presence.count, 2);
  }
  for (const [channel, expected] of [['room', 1], ['presence-p', 2]]) {
    assert.equal(await subscriptionCount(server, channel), expected);
  }
  await Promise.all([frames.fence(), other.fence()]);
  assert.equal(count(frames, 'probe'), 2, 'once on each channel');
  assert.equal(count(other, 'pusher_internal:member_added'), 1);
  // As somebody else it is not the same subscription, and the first stays.
  const cleo = JSON.stringify({ user_id: 'cleo' });
  frames.subscribe('presence-p', { auth: signChannel(frames.socketId, 'presence-p', cleo), channel_data: cleo });
  assert.equal((await refused(frames)).code, 4009);
  assert.equal(await subscriptionCount(server, 'presence-p'), 2);
}));

test('(20) a cache channel subscribed to again does not tell again what it keeps', withSockets({}, async ({ server, open }) => {
  await trigger(server, { name: 'kept', channel: 'cache-x', data: '1' });
  const frames = await open();
  await frames.subscribed('cache-x');
  await frames.next('kept');
  await frames.subscribed('cache-x');
  await frames.fence();
  assert.equal(count(frames, 'kept'), 1);
}));

test('(21) unsubscribing, also from what was never joined, is not answered', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('room');
  const before = frames.inbox.all.length;
  for (const channel of ['room', 'room', 'never-joined', '']) frames.send({ event: 'pusher:unsubscribe', data: { channel } });
  await frames.fence();
  assert.equal(frames.inbox.all.length, before + 1, 'only the pong came');
  await until('nobody is there', async () => (await subscriptionCount(server, 'room')) === 0);
  await frames.fence();
  assert.equal(count(frames, 'probe'), 0);
}));

test('(22) published while somebody subscribes: nothing before the confirmation, nothing lost after it', withSockets({}, async ({ server, open }) => {
  const publisher = sdk(server);
  const frames = await open();
  for (let round = 0; round < 20; round += 1) {
    const channel = `busy-${round}`;
    let n = 0;
    let stop = false;
    const publishing = (async () => {
      while (!stop) await publisher.trigger(channel, 'n', { n: n++ });
    })();
    await until('events are on their way', () => n > 1);
    await frames.subscribed(channel);
    const least = n;
    await until('events came', () => onChannel(frames, channel).length > 3);
    stop = true;
    await publishing;
    await publisher.trigger(channel, 'end', {});
    await frames.next('end');
    const [first, ...rest] = onChannel(frames, channel);
    assert.equal(first.event, 'pusher_internal:subscription_succeeded');
    const numbers = rest.slice(0, -1).map(({ data }) => JSON.parse(data).n);
    assert.ok(numbers[0] <= least, `${numbers[0]} was the first, after ${least}`);
    assert.deepEqual(numbers, Array.from({ length: n - numbers[0] }, (_, at) => numbers[0] + at), 'no hole up to the last');
  }
}));

test('(22) an event published right after the confirmation arrives', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  for (let round = 0; round < 50; round += 1) {
    const channel = `fresh-${round}`;
    await frames.subscribed(channel);
    await trigger(server, { name: 'first', channel, data: '1' });
    assert.equal((await frames.next('first')).channel, channel);
  }
}));

test('(23) channel data that the signature covers counts on private channels too', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (const data of [
    `{"user_id":"${frames.socketId}","user_info":{"name":"Integration ${frames.socketId}"}}`,
    '{"user_id":"7","user_info":{"name":"Zo\\u00eb","url":"https:\\/\\/x"}}',
  ]) {
    await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a', data), channel_data: data });
    frames.subscribe('private-b', { auth: signChannel(frames.socketId, 'private-b'), channel_data: data });
    assert.equal((await refused(frames)).code, 4009, 'data that nobody signed');
    frames.subscribe('private-b', { auth: signChannel(frames.socketId, 'private-b', data) });
    assert.equal((await refused(frames)).code, 4009, 'data left out');
  }
}));

test('(24) a refused subscription is told twice: pusher:error, then pusher:subscription_error with its channel', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.subscribe('private-x', { auth: '' });
  const error = await frames.inbox.take('the error');
  assert.deepEqual(error, { event: 'pusher:error', data: { code: 4009, message: 'Connection is unauthorized' } });
  const follow = await frames.inbox.take('what follows');
  assert.deepEqual([follow.event, follow.channel, typeof follow.data], ['pusher:subscription_error', 'private-x', 'string']);
  assert.deepEqual(JSON.parse(follow.data), { type: 'AuthError', error: 'Connection is unauthorized', status: 401 });
  await admitted(frames, 'private-x');
}));

test('data of pusher: events may be an object or a text', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.send({ event: 'pusher:subscribe', data: JSON.stringify({ channel: 'room', auth: '' }) });
  assert.deepEqual(await frames.next('pusher_internal:subscription_succeeded'), {
    event: 'pusher_internal:subscription_succeeded',
    channel: 'room',
    data: '{}',
  });
}));
