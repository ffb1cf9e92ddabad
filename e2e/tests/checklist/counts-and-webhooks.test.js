// Items 64 to 68: how many are subscribed, and what the application is told over HTTP.
//
// That a webhook is tried for five minutes and then given up, with the pauses in between, is shown on paused time by
// `the_pauses_grow_and_after_five_minutes_it_is_given_up` in crates/server/tests/webhooks.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import test from 'node:test';

import PusherServer from 'pusher';

import { connectPusher, join } from '../../lib/pusherClient.js';
import { APP, asReverb, hmac, sdk, trigger } from '../../lib/reverb.js';
import { admitted, count, joinedAs, withSockets } from '../../lib/sockets.js';
import { until } from '../../lib/wait.js';
import { withHooks } from '../../lib/webhooks.js';

const COUNTING = { CHINWAG_APP_SUBSCRIPTION_COUNT: 'true' };
const counts = (frames, channel) =>
  frames.inbox.all
    .filter((frame) => frame.event === 'pusher_internal:subscription_count' && frame.channel === channel)
    .map(({ data }) => JSON.parse(data).subscription_count);

test('(64) each change of up to 100 subscribers is told to all of them, the newcomer too', withSockets(COUNTING, async ({ open }) => {
  const first = await open();
  await first.subscribed('room');
  await until('it is one', () => counts(first, 'room').at(-1) === 1);
  const others = [];
  for (let n = 2; n <= 5; n += 1) {
    const frames = await open();
    others.push(frames);
    await frames.subscribed('room');
    for (const one of [first, frames]) await until(`they are ${n}`, () => counts(one, 'room').at(-1) === n);
    assert.equal(frames.inbox.all.findIndex(({ event }) => event === 'pusher_internal:subscription_succeeded') + 1,
      frames.inbox.all.findIndex(({ event }) => event === 'pusher_internal:subscription_count'), 'after the confirmation');
  }
  others.pop().close();
  await until('they are four', () => counts(first, 'room').at(-1) === 4);
  assert.deepEqual(counts(first, 'room'), [1, 2, 3, 4, 5, 4]);
}));

test('(64) above 100 subscribers not each change is told, but the last one is', withSockets(COUNTING, async ({ open }) => {
  const sockets = await Promise.all(Array.from({ length: 130 }, () => open()));
  const [first] = sockets;
  for (const frames of sockets.slice(0, 100)) await frames.subscribed('room');
  await until('they are 100', () => counts(first, 'room').at(-1) === 100);
  for (const frames of sockets.slice(100)) await frames.subscribed('room');
  await until('they are 130', () => counts(first, 'room').at(-1) === 130);
  const above = counts(first, 'room').filter((n) => n > 100);
  // Thirty changes came within a moment; at most one in five seconds is told.
  assert.ok(above.length <= 5, `told ${above}`);
}));

test('(64) presence channels are not counted', withSockets(COUNTING, async ({ open }) => {
  const frames = await open();
  await joinedAs(frames, 'presence-p', { user_id: 'ada' });
  await admitted(frames, 'private-a');
  await until('that one is told', () => counts(frames, 'private-a').length === 1);
  assert.equal(count(frames, 'pusher_internal:subscription_count'), 1);
}));

test('(64) where nobody asked for counts none are told', withSockets({}, async ({ open }) => {
  const frames = await open();
  await frames.subscribed('room');
  await frames.fence();
  assert.equal(count(frames, 'pusher_internal:subscription_count'), 0);
}));

test('(64) pusher-js keeps the count', withSockets(asReverb(COUNTING), async ({ server, t }) => {
  const [one, two] = await Promise.all([connectPusher(t, server), connectPusher(t, server)]);
  const { channel } = await join(one, 'room');
  await until('there is one', () => channel.subscriptionCount === 1);
  await join(two, 'room');
  await until('there are two', () => channel.subscriptionCount === 2);
}));

/** Everything that there are webhooks for, once. Returns the id of the socket that has sent the client event. */
async function happens({ open, hooks }) {
  const [one, two] = [await open(), await open()];
  await one.subscribed('my-channel');
  await joinedAs(one, 'presence-chat.1', { user_id: 7 });
  await joinedAs(two, 'presence-chat.1', { user_id: 'bob' });
  one.send({ event: 'client-typing', channel: 'presence-chat.1', data: { on: true } });
  await two.next('client-typing');
  await one.subscribed('cache-empty');
  await one.next('pusher:cache_miss');
  await hooks.next('cache_miss');
  one.close();
  await hooks.next('member_removed');
  await until('all was told', () => ['my-channel', 'cache-empty'].every((channel) => hooks.about(channel).some(({ name }) => name === 'channel_vacated')));
  return one.socketId;
}

test('(65) every kind of webhook has its fields, and W1 to W3 their bodies, headers and signatures', withHooks(COUNTING, async (all) => {
  const { hooks } = all;
  const socketId = await happens(all);
  const sorted = (events) => events.map((event) => JSON.stringify(event)).sort();
  assert.deepEqual(sorted(hooks.about('my-channel')), sorted([
    { name: 'channel_occupied', channel: 'my-channel' },
    { name: 'subscription_count', channel: 'my-channel', subscription_count: 1 },
    { name: 'channel_vacated', channel: 'my-channel' },
  ]));
  assert.deepEqual(hooks.about('presence-chat.1'), [
    { name: 'channel_occupied', channel: 'presence-chat.1' },
    { name: 'member_added', channel: 'presence-chat.1', user_id: '7' },
    { name: 'member_added', channel: 'presence-chat.1', user_id: 'bob' },
    { name: 'client_event', channel: 'presence-chat.1', event: 'client-typing', data: '{"on":true}', socket_id: socketId, user_id: '7' },
    { name: 'member_removed', channel: 'presence-chat.1', user_id: '7' },
  ]);
  assert.ok(hooks.about('cache-empty').some(({ name }) => name === 'cache_miss'));
  const forms = {
    W1: /^\{"time_ms":\d{13},"events":\[\{"name":"channel_occupied","channel":"my-channel"\}\]\}$/,
    W2: /^\{"time_ms":\d{13},"events":\[\{"name":"member_added","channel":"presence-chat.1","user_id":"7"\}\]\}$/,
    W3: /^\{"time_ms":\d{13},"events":\[\{"name":"client_event","channel":"presence-chat.1","event":"client-typing","data":"\{\\"on\\":true\}","socket_id":"[\d.]+","user_id":"7"\}\]\}$/,
  };
  for (const [name, form] of Object.entries(forms)) assert.ok(hooks.requests.all.some(({ body }) => form.test(body)), name);
  for (const { method, headers, body } of hooks.requests.all) {
    assert.deepEqual([method, headers['content-type'], headers['x-pusher-key']], ['POST', 'application/json', APP.key]);
    assert.equal(headers['x-pusher-signature'], hmac(body));
    assert.ok(Math.abs(JSON.parse(body).time_ms - Date.now()) < 60_000);
    // As an application checks it.
    const webhook = sdk(all.server).webhook({ headers, rawBody: body });
    assert.ok(webhook.isValid() && webhook.getEvents().length === 1 && webhook.getTime() instanceof Date);
    const stranger = new PusherServer({ appId: APP.id, key: APP.key, secret: 'guess', host: '127.0.0.1' });
    assert.ok(!stranger.webhook({ headers, rawBody: body }).isValid());
  }
}));

test('(65) a webhook hears only of the kinds and channels it asks for, with its own headers', withHooks({}, async ({ hooks, open }) => {
  const frames = await open();
  for (const channel of ['private-b', 'private-a', 'private-a-end']) await admitted(frames, channel);
  await frames.subscribed('a-end');
  await joinedAs(frames, 'presence-a-end', { user_id: '7' });
  await admitted(frames, 'private-z-end');
  await until('the last came', () => hooks.events.all.length >= 2);
  assert.deepEqual(hooks.events.all, ['private-a-end', 'private-z-end'].map((channel) => ({ name: 'channel_occupied', channel })));
  assert.equal(hooks.requests.all[0].headers.authorization, 'Bearer token');
}, {
  table: 'event_types = ["channel_occupied"]\nchannel_name_starts_with = "private-"\nchannel_name_ends_with = "-end"\nheaders = { Authorization = "Bearer token" }\n',
}));

test('(65) that a cache channel is empty is told once until something is published', withHooks({ CHINWAG_APP_CACHE_TTL_S: '1' }, async ({ server, hooks, open }) => {
  const frames = await open();
  const misses = () => hooks.about('cache-x').filter(({ name }) => name === 'cache_miss').length;
  for (let n = 0; n < 3; n += 1) {
    const newcomer = await open();
    await newcomer.subscribed('cache-x');
    await newcomer.next('pusher:cache_miss');
  }
  await frames.subscribed('fence-1');
  await until('what came later was told', () => hooks.about('fence-1').length === 1);
  assert.equal(misses(), 1);
  await trigger(server, { name: 'n', channel: 'cache-x', data: '1' });
  await until('what was kept is gone', async () => {
    const newcomer = await open();
    await newcomer.subscribed('cache-x');
    await newcomer.fence();
    return count(newcomer, 'pusher:cache_miss') > 0;
  });
  await until('the next emptiness is told', () => misses() === 2);
}));

test('(65) in batches several events come in one request, signed all the same', withHooks({ CHINWAG_WEBHOOK_BATCH: 'true' }, async ({ server, hooks, open }) => {
  const frames = await open();
  const names = Array.from({ length: 50 }, (_, n) => `room-${n}`);
  for (const name of names) frames.subscribe(name);
  await until('all came', () => hooks.events.all.length === 50);
  assert.deepEqual(hooks.events.all.map(({ channel }) => channel), names);
  assert.ok(hooks.requests.all.length < 50, `${hooks.requests.all.length} requests`);
  for (const { headers, body } of hooks.requests.all) assert.ok(sdk(server).webhook({ headers, rawBody: body }).isValid());
}));

test('(66) who is back within three seconds was never away; who stays away is told as gone, in order', withHooks({}, async ({ hooks, open }) => {
  const [frames, other] = [await open(), await open()];
  for (let n = 0; n < 5; n += 1) {
    await frames.subscribed('room');
    await joinedAs(frames, 'presence-p', { user_id: 'ada' });
    for (const channel of ['room', 'presence-p']) frames.send({ event: 'pusher:unsubscribe', data: { channel } });
    await frames.fence();
  }
  await frames.subscribed('room');
  await other.subscribed('room');
  frames.close();
  await hooks.next('member_removed');
  await until('the presence channel is vacated', () => hooks.about('presence-p').length === 4);
  assert.deepEqual(hooks.about('presence-p'), [
    { name: 'channel_occupied', channel: 'presence-p' },
    { name: 'member_added', channel: 'presence-p', user_id: 'ada' },
    { name: 'member_removed', channel: 'presence-p', user_id: 'ada' },
    { name: 'channel_vacated', channel: 'presence-p' },
  ]);
  assert.deepEqual(hooks.about('room'), [{ name: 'channel_occupied', channel: 'room' }], 'somebody is still there');
  other.close();
  await until('nobody is there any more', () => hooks.about('room').length === 2);
  assert.equal(hooks.about('room')[1].name, 'channel_vacated');
}));

test('(67) what was not accepted is sent again, unchanged and before what came later, also by the next process', withHooks({}, async ({ server, hooks, open }) => {
  hooks.answers = [500, 302];
  const frames = await open();
  await frames.subscribed('first');
  await hooks.requests.take('the first attempt');
  await frames.subscribed('second');
  await until('all was accepted', () => hooks.events.all.length === 2);
  assert.deepEqual(hooks.events.all.map(({ channel }) => channel), ['first', 'second']);
  const bodies = hooks.requests.all.filter(({ body }) => body.includes('first')).map(({ body }) => body);
  assert.deepEqual([bodies.length, new Set(bodies).size], [3, 1], 'neither body nor time change');
  // What a process could not deliver, the next one does.
  hooks.answers = Array(100).fill(503);
  await frames.subscribed('third');
  await until('it was tried', () => hooks.requests.all.some(({ body }) => body.includes('third')));
  await server.restart();
  hooks.answers = [];
  await until('the next process delivers it', () => hooks.about('third').some(({ name }) => name === 'channel_occupied'));
  assert.equal(hooks.about('third')[0].name, 'channel_occupied');
}));

test('(68) [one node] of all its workers one tells each event', withHooks({ CHINWAG_WORKERS: '4' }, async ({ server, hooks, open }) => {
  const sockets = await Promise.all(Array.from({ length: 24 }, () => open()));
  await Promise.all(sockets.map((frames) => frames.subscribed('room')));
  await Promise.all(sockets.map((frames, n) => joinedAs(frames, 'presence-p', { user_id: `u${n % 3}` })));
  assert.equal((await trigger(server, { name: 'n', channel: 'room', data: '1' })).status, 200);
  for (const frames of sockets) frames.close();
  await until('both are vacated', () => hooks.events.all.filter(({ name }) => name === 'channel_vacated').length === 2);
  const names = (channel) => hooks.about(channel).map(({ name, user_id: user = '' }) => `${name} ${user}`).sort();
  assert.deepEqual(names('room'), ['channel_occupied ', 'channel_vacated ']);
  assert.deepEqual(names('presence-p'), ['channel_occupied ', 'channel_vacated ',
    ...['member_added', 'member_removed'].flatMap((name) => ['u0', 'u1', 'u2'].map((user) => `${name} ${user}`))]);
  const signature = (body) => createHmac('sha256', APP.secret).update(body).digest('hex');
  assert.ok(hooks.requests.all.every(({ headers, body }) => headers['x-pusher-signature'] === signature(body)));
}));
