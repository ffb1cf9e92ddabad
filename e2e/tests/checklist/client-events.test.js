// Items 47 to 50: what clients say to each other.

import assert from 'node:assert/strict';
import test from 'node:test';

import { connectPusher, join, keepEvent } from '../../lib/pusherClient.js';
import { asReverb, sdk, signChannel, trigger } from '../../lib/reverb.js';
import { admitted, count, joinedAs, withSockets } from '../../lib/sockets.js';
import { until } from '../../lib/wait.js';

/** pusher-js on a channel, let in by the stock SDK. */
async function joined(t, server, channel, user) {
  const customHandler = ({ socketId, channelName }, done) => done(null, sdk(server).authorizeChannel(socketId, channelName, user));
  const pusher = await connectPusher(t, server, { channelAuthorization: { customHandler } });
  return join(pusher, channel);
}

test('(47) a client event reaches all others on the channel and never its sender', withSockets({ CHINWAG_WORKERS: '3' }, async ({ server, open }) => {
  for (const prefix of ['private-', 'private-cache-', 'private-encrypted-', 'presence-', 'presence-cache-']) {
    const channel = `${prefix}room`;
    const sockets = await Promise.all(Array.from({ length: 4 }, () => open()));
    for (const [n, frames] of sockets.entries()) {
      await (prefix.startsWith('presence') ? joinedAs(frames, channel, { user_id: `u${n % 2}` }) : admitted(frames, channel));
    }
    sockets[0].send({ event: 'client-x', channel, data: { a: 1 } });
    const name = sockets.slice(1).map((frames) => frames.next('client-x'));
    for (const frame of await Promise.all(name)) assert.deepEqual([frame.channel, frame.data], [channel, '{"a":1}']);
    await trigger(server, { name: 'end', channel, data: '1' });
    await sockets[0].next('end');
    assert.equal(count(sockets[0], 'client-x'), 0, channel);
    sockets.forEach((frames) => frames.close());
  }
}));

test('(48) who sent it stands beside it on presence channels only, and cannot be forged', withSockets({}, async ({ open }) => {
  const [sender, other] = [await open(), await open()];
  await joinedAs(sender, 'presence-p', { user_id: 'ada' });
  await joinedAs(other, 'presence-p', { user_id: 'bob' });
  for (const frames of [sender, other]) await admitted(frames, 'private-a');
  const forged = { user_id: 'bob', socket_id: '1.1', extra: true };
  sender.send({ event: 'client-x', channel: 'presence-p', data: { a: 1 }, ...forged });
  sender.send({ event: 'client-y', channel: 'presence-p', data: { user_id: 'bob' } });
  sender.send({ event: 'client-z', channel: 'private-a', data: { a: 1 }, ...forged });
  const base = { channel: 'presence-p', user_id: 'ada' };
  assert.deepEqual(await other.next('client-x'), { ...base, event: 'client-x', data: '{"a":1}' });
  assert.deepEqual(await other.next('client-y'), { ...base, event: 'client-y', data: '{"user_id":"bob"}' });
  assert.deepEqual(await other.next('client-z'), { event: 'client-z', channel: 'private-a', data: '{"a":1}' });
}));

test('(48) pusher-js tells the handler who sent it', withSockets(asReverb(), async ({ server, t }) => {
  const [seven, bob] = [await joined(t, server, 'presence-p', { user_id: 7 }), await joined(t, server, 'presence-p', { user_id: 'bob' })];
  const received = keepEvent(bob.channel, 'client-typing');
  seven.channel.trigger('client-typing', { user_id: 'bob' });
  assert.deepEqual(await received.take('a client event'), { data: { user_id: 'bob' }, metadata: { user_id: '7' } });
}));

test('(49) every kind of JSON goes through pusher-js and back unchanged', withSockets(asReverb({ CHINWAG_APP_CLIENT_EVENTS_PER_S: '0' }), async ({ server, t }) => {
  const [a, b] = [await joined(t, server, 'private-room'), await joined(t, server, 'private-room')];
  const echoed = keepEvent(a.channel, 'client-value');
  const received = keepEvent(b.channel, 'client-value');
  const values = [{ a: [1, { b: null }] }, {}, [], [[]], 0, -1.5, 1e21, 'text', '', 'null', null, true, false,
    'Zoë 👩‍👩‍👧 \u2028 "\\', { 'ключ': 'значение', '': [] }];
  for (const value of values) assert.ok(a.channel.trigger('client-value', value));
  for (const value of values) {
    const { data } = await received.take('a client event');
    // A text that is JSON arrives as what it says: pusher-js reads it so, from every server.
    assert.deepEqual(data, value === 'null' ? null : value);
  }
  await sdk(server).trigger('private-room', 'end', {});
  await a.inbox.take('the end', ({ event }) => event === 'end');
  assert.deepEqual(echoed.all, []);
}));

test('(49) on the wire the data is text: that which was given, or the JSON without its white space', withSockets({}, async ({ open }) => {
  const [sender, other] = [await open(), await open()];
  for (const frames of [sender, other]) await admitted(frames, 'private-a');
  for (const [given, text] of [
    ['{ "b" : [ ] , "a" : { } }', '{"b":[],"a":{}}'],
    ['1.50', '1.50'],
    ['"a \\u00eb\\/"', 'a ë/'],
    ['"{\\"a\\": 1}"', '{"a": 1}'],
    ['null', 'null'],
    ['[]', '[]'],
  ]) {
    sender.send(`{"event":"client-x","channel":"private-a","data":${given}}`);
    assert.equal((await other.next('client-x')).data, text);
  }
  sender.send({ event: 'client-x', channel: 'private-a' });
  assert.equal((await other.next('client-x')).data, '{}', 'data left out');
}));

test('(50) non-members, public channels, other names and too much are refused with the reason', withSockets({}, async ({ open }) => {
  const [frames, member] = [await open(), await open()];
  await admitted(frames, 'private-a');
  await admitted(member, 'private-b');
  for (const one of [frames, member]) await one.subscribed('public');
  for (const [code, event, channel, data] of [
    [4009, 'client-x', 'private-b', {}],
    [4009, 'client-x', 'nowhere', {}],
    [4301, 'client-x', 'public', {}],
    [4301, `client-${'x'.repeat(194)}`, 'private-a', {}],
    [4301, 'client-x', 'private-a', 'x'.repeat(10_241)],
    [null, 'xclient-y', 'private-a', {}],
    [null, 'message', 'private-a', {}],
    [4200, 'client-x', undefined, {}],
    [4200, 'client-x', 7, {}],
    [4200, 'pusher:x', 'private-a', {}],
  ]) {
    frames.send({ event, channel, data });
    const error = await frames.next('pusher:error');
    assert.equal(error.data.code, code, `${event} ${channel}`);
    assert.equal(typeof error.data.message, 'string');
    assert.ok(!('channel' in error));
  }
  frames.send({ event: `client-${'x'.repeat(193)}`, channel: 'private-a', data: 'x'.repeat(10_240) });
  await frames.fence();
  await member.fence();
  assert.equal(count(frames, 'pusher:error'), 10);
  assert.equal(member.inbox.all.filter(({ event }) => /client|message/.test(event)).length, 0);
}));

test('(50) an app that takes no client events says so', withSockets({ CHINWAG_APP_CLIENT_EVENTS: 'none' }, async ({ open }) => {
  const frames = await open();
  await admitted(frames, 'private-a');
  frames.send({ event: 'client-x', channel: 'private-a', data: {} });
  const { data } = await frames.next('pusher:error');
  assert.deepEqual(data, { code: 4301, message: 'The app does not have client messaging enabled.' });
}));

test('(50) with a Reverb environment members of public channels may, and nobody else', withSockets(asReverb(), async ({ open }) => {
  const [sender, other, stranger] = [await open(), await open(), await open()];
  for (const frames of [sender, other]) await frames.subscribed('room');
  sender.send({ event: 'client-x', channel: 'room', data: { a: 1 } });
  assert.deepEqual(await other.next('client-x'), { event: 'client-x', channel: 'room', data: '{"a":1}' });
  stranger.send({ event: 'client-x', channel: 'room', data: {} });
  assert.equal((await stranger.next('pusher:error')).data.code, 4009);
}));

for (const [from, codes] of Object.entries({
  members: { room: [null, 4009], 'private-a': [null, 4009] },
  all: { room: [null, null], 'private-a': [null, 4009], 'presence-p': [null, 4009] },
  none: { room: [4301, 4301], 'private-a': [4301, 4301] },
})) {
  test(`(50) Reverb’s client events from ${from}: who may, of members and strangers`, withSockets(
    asReverb({ REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM: from }),
    async ({ open }) => {
      const [listener, member, stranger] = [await open(), await open(), await open()];
      for (const frames of [listener, member]) {
        await frames.subscribed('room');
        await admitted(frames, 'private-a');
        await joinedAs(frames, 'presence-p', { user_id: 'ada' });
      }
      let expected = 0;
      for (const [channel, [ofMember, ofStranger]] of Object.entries(codes)) {
        for (const [frames, code] of [[member, ofMember], [stranger, ofStranger]]) {
          frames.send({ event: 'client-x', channel, data: 1 });
          if (code === null) assert.equal((await listener.next('client-x')).channel, channel);
          else assert.equal((await frames.next('pusher:error')).data.code, code, channel);
          expected += code === null ? 1 : 0;
        }
      }
      await listener.fence();
      assert.equal(count(listener, 'client-x'), expected);
    },
  ));
}

test('(50) who sends too fast is told, and stays connected', withSockets({}, async ({ open }) => {
  const [sender, other] = [await open(), await open()];
  for (const frames of [sender, other]) {
    await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a') });
  }
  for (let n = 0; n < 100; n += 1) sender.send({ event: 'client-n', channel: 'private-a', data: n });
  await sender.fence();
  const errors = sender.inbox.all.filter(({ event }) => event === 'pusher:error');
  assert.ok(errors.length > 50 && errors.length <= 90, `${errors.length} refused`);
  assert.ok(errors.every(({ data }) => data.code === 4301 && data.message === 'Client event rejected due to rate limit'));
  await until('the others have what was accepted', () => count(other, 'client-n') === 100 - errors.length);
}));

test('(50) Reverb’s limit of messages leaves out pings, and closes with 4100 where it is told to', async (t) => {
  const limited = { REVERB_APP_RATE_LIMITING_ENABLED: 'true', REVERB_APP_RATE_LIMIT_MAX_ATTEMPTS: '3' };
  await withSockets(asReverb(limited), async ({ open }) => {
    const frames = await open();
    for (let n = 0; n < 20; n += 1) await frames.fence();
    for (const channel of ['a', 'b', 'c']) await frames.subscribed(channel);
    frames.subscribe('d');
    assert.deepEqual((await frames.next('pusher:error')).data, { code: 4301, message: 'Rate limit exceeded' });
    await frames.fence();
  })(t);
  await withSockets(asReverb({ ...limited, REVERB_APP_RATE_LIMIT_TERMINATE: 'true' }), async ({ open }) => {
    const frames = await open();
    for (const channel of ['a', 'b', 'c', 'd']) frames.subscribe(channel);
    assert.equal((await frames.closed).code, 4100);
  })(t);
});
