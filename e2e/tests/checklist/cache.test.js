// Items 51 to 56: channels that tell newcomers the last event.

import assert from 'node:assert/strict';
import test from 'node:test';

import { connectPusher, join } from '../../lib/pusherClient.js';
import { ask, asReverb, sdk, signChannel, trigger } from '../../lib/reverb.js';
import { admitted, count, joinedAs, onChannel, withSockets } from '../../lib/sockets.js';
import { until } from '../../lib/wait.js';

const PREFIXES = ['cache-', 'private-cache-', 'private-encrypted-cache-', 'presence-cache-'];

/** Subscribes to a channel of any kind. */
function enter(frames, channel) {
  const data = channel.startsWith('presence-') ? '{"user_id":"ada"}' : undefined;
  const auth = channel.startsWith('cache-') ? '' : signChannel(frames.socketId, channel, data);
  return frames.subscribed(channel, { auth, channel_data: data });
}

/** A newcomer, and what it hears of the channel up to its own next question. */
async function newcomer(open, channel) {
  const frames = await open();
  await enter(frames, channel);
  await frames.fence();
  frames.close();
  return onChannel(frames, channel).slice(1).map(({ event, data }) => [event, data]);
}

test('(51) an empty cache channel says pusher:cache_miss, right after the confirmation', withSockets({}, async ({ server, t, open }) => {
  for (const prefix of PREFIXES) {
    const frames = await open();
    await enter(frames, `${prefix}empty`);
    assert.deepEqual(await frames.inbox.take('what follows'), { event: 'pusher:cache_miss', channel: `${prefix}empty`, data: '{}' });
  }
  const { inbox } = await join(await connectPusher(t, server), 'cache-empty');
  await inbox.take('a miss', ({ event }) => event === 'pusher:cache_miss');
}));

test('(52) a newcomer is told the last event, after the confirmation and before what comes next', withSockets({}, async ({ server, open }) => {
  for (const prefix of PREFIXES) {
    const channel = `${prefix}full`;
    for (const n of [1, 2, 3]) await trigger(server, { name: 'price', channel, data: `{"n" : ${n}}` });
    const frames = await open();
    await enter(frames, channel);
    await trigger(server, { name: 'price', channel, data: '{"n" : 4}' });
    await until('both came', () => onChannel(frames, channel).length >= 3);
    assert.deepEqual(onChannel(frames, channel).map(({ event, data }) => [event, event === 'price' && data]), [
      ['pusher_internal:subscription_succeeded', false],
      ['price', '{"n" : 3}'],
      ['price', '{"n" : 4}'],
    ]);
  }
}));

test('(52) who an event was not for keeps nothing from newcomers', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('cache-x');
  await trigger(server, { name: 'price', channel: 'cache-x', data: '5', socket_id: frames.socketId });
  assert.deepEqual(await newcomer(open, 'cache-x'), [['price', '5']]);
  await frames.fence();
  assert.equal(count(frames, 'price'), 0);
}));

test('(52) pusher-js hands it to the handlers of the event', withSockets(asReverb(), async ({ server, t }) => {
  await sdk(server).trigger('cache-full', 'price', { eur: 5 });
  const full = await join(await connectPusher(t, server), 'cache-full');
  assert.deepEqual((await full.inbox.take('what is kept', ({ event }) => event === 'price')).data, { eur: 5 });
}));

test('(53) client events, members and counts are never what is kept', withSockets({ CHINWAG_APP_SUBSCRIPTION_COUNT: 'true' }, async ({ server, open }) => {
  const [one, two] = [await open(), await open()];
  await joinedAs(one, 'presence-cache-p', { user_id: 'one' });
  await joinedAs(two, 'presence-cache-p', { user_id: 'two' });
  for (const frames of [one, two]) await admitted(frames, 'private-cache-x');
  for (const channel of ['presence-cache-p', 'private-cache-x']) {
    one.send({ event: 'client-x', channel, data: 1 });
    await two.next('client-x');
    const first = await newcomer(open, channel);
    assert.deepEqual(first.find(([event]) => event !== 'pusher_internal:subscription_count'), ['pusher:cache_miss', '{}'], channel);
    await trigger(server, { name: 'kept', channel, data: '1' });
    one.send({ event: 'client-y', channel, data: 1 });
    await two.next('client-y');
    const second = await newcomer(open, channel);
    assert.deepEqual(second.find(([event]) => event !== 'pusher_internal:subscription_count'), ['kept', '1'], channel);
  }
}));

test('(54) what is kept survives that the last subscriber goes, and is kept when there never was one', withSockets({}, async ({ server, open }) => {
  await trigger(server, { name: 'kept', channel: 'cache-x', data: '1' });
  for (let n = 0; n < 3; n += 1) {
    assert.deepEqual(await newcomer(open, 'cache-x'), [['kept', '1']]);
    await until('nobody is there', async () => !(await ask(server, '/channels/cache-x')).json.occupied);
  }
}));

test('(55) after its time nothing is kept, and each publication begins the time anew', withSockets({ CHINWAG_APP_CACHE_TTL_S: '2' }, async ({ server, open }) => {
  const publish = (data) => trigger(server, { name: 'kept', channel: 'cache-x', data });
  await publish('old');
  const info = async () => (await ask(server, '/channels/cache-x', { info: 'cache' })).json.cache;
  assert.deepEqual(await info(), { data: 'old', ttl: 2 });
  await until('half of the time is over', async () => (await info()).ttl === 1);
  await publish('new');
  assert.deepEqual(await info(), { data: 'new', ttl: 2 });
  assert.deepEqual(await newcomer(open, 'cache-x'), [['kept', 'new']]);
  await until('it is over', async () => (await info()) === null);
  assert.deepEqual(await newcomer(open, 'cache-x'), [['pusher:cache_miss', '{}']]);
}));

test('(56) info=cache tells the data and how long it is kept, and null when there is nothing', withSockets({}, async ({ server, open }) => {
  const about = async (channel, info = 'cache') => (await ask(server, `/channels/${channel}`, { info })).json;
  assert.deepEqual(await about('cache-x'), { occupied: false, cache: null });
  for (const prefix of PREFIXES) {
    const data = '{"nonce":"AQEB","ciphertext":"…"}';
    await trigger(server, { name: 'kept', channel: `${prefix}x`, data });
    const { cache } = await about(`${prefix}x`);
    assert.deepEqual([cache.data, Number.isInteger(cache.ttl), cache.ttl <= 1_800 && cache.ttl > 1_700], [data, true, true]);
  }
  const frames = await open();
  await frames.subscribed('cache-x');
  const all = await about('cache-x', 'subscription_count,cache');
  assert.deepEqual(Object.keys(all), ['occupied', 'subscription_count', 'cache']);
  assert.equal((await ask(server, '/channels/cacheable', { info: 'cache' })).status, 400);
}));
