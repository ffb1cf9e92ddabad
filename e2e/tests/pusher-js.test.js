// pusher-js against a server that was given nothing but a Reverb environment.

import assert from 'node:assert/strict';
import test from 'node:test';

import { startApplication } from '../lib/application.js';
import { openFrames } from '../lib/frames.js';
import { connectPusher, join, keepEvent, newPusher } from '../lib/pusherClient.js';
import { APP, asChinwag, asReverb, reverbEnvironment, sdk, signedPost, trigger } from '../lib/reverb.js';
import { withServer } from '../lib/server.js';
import { Inbox, until } from '../lib/wait.js';

const USERS = {
  ada: { id: 'ada', info: { name: 'Ada' } },
  'ada-again': { id: 'ada', info: { name: 'Ada' } },
  bob: { id: 'bob', info: { name: 'Bob' } },
  seven: { id: 7, info: { name: 'Seven' } },
};

/** A server as a Reverb user starts it, and an application with an auth endpoint. */
const withReverb = (body, more) =>
  withServer(asReverb(more), async (server, t) => {
    const application = await startApplication(sdk(server), USERS);
    t.after(() => application.close());
    await body({ server, t, as: (token) => connectPusher(t, server, { application, token }) });
  });

const take = (inbox, name) => inbox.take(`event ${name}`, ({ event }) => event === name);

test('a Reverb environment is all that pusher-js needs to connect', withReverb(async ({ server, as }) => {
  assert.equal(server.port, Number(new URL(server.url).port));
  const pusher = await as('ada');
  assert.match(pusher.connection.socket_id, /^\d+\.\d+$/);
  const up = await fetch(`${server.url}/up`);
  assert.deepEqual([up.status, await up.json()], [200, { health: 'OK' }]);
}));

test('the port and the path of the Reverb environment are those that count', async (t) => {
  const environment = await reverbEnvironment({ REVERB_SERVER_PATH: '/ws', REVERB_PORT: '443', REVERB_HOST: 'example.org' });
  await withServer(environment, async (server) => {
    assert.equal(String(server.port), environment.REVERB_SERVER_PORT);
    const pusher = await connectPusher(t, server, { wsPath: '/ws' });
    const { inbox } = await join(pusher, 'news');
    for (const path of [`/ws/apps/${APP.id}/events`, `/apps/${APP.id}/events`]) {
      // SDKs differ in whether they sign the prefix; both ways are right.
      const signed = { path, query: {} };
      const body = JSON.stringify({ name: 'n', channel: 'news', data: path });
      const answer = await signedPost({ url: path.startsWith('/ws') ? server.url : `${server.url}/ws` }, body, signed);
      assert.deepEqual([answer.status, answer.text], [200, '{}'], path);
      assert.equal((await take(inbox, 'n')).data, path);
    }
  })(t);
});

test('what an application publishes reaches everybody on the channel', withReverb(async ({ server, as }) => {
  const [ada, bob] = await Promise.all([as('ada'), as('bob')]);
  const [a, b] = [await join(ada, 'orders'), await join(bob, 'orders')];
  const response = await sdk(server).trigger('orders', 'shipped', { order: 5, to: 'Zoë 🚢' });
  assert.equal(response.status, 200);
  for (const { inbox } of [a, b]) assert.deepEqual((await take(inbox, 'shipped')).data, { order: 5, to: 'Zoë 🚢' });
}));

test('one call publishes on many channels, once on each', withReverb(async ({ server, as }) => {
  const pusher = await as('ada');
  const names = ['a', 'b', 'c'];
  const joined = await Promise.all(names.map((name) => join(pusher, name)));
  await sdk(server).trigger(['a', 'b', 'c', 'a'], 'tick', { n: 1 });
  await sdk(server).trigger(names, 'end', {});
  for (const { inbox } of joined) {
    await take(inbox, 'end');
    assert.equal(inbox.all.filter(({ event }) => event === 'tick').length, 1);
  }
}));

test('the socket that caused an event is left out when the application says so', withReverb(async ({ server, as }) => {
  const [ada, bob] = await Promise.all([as('ada'), as('bob')]);
  const [a, b] = [await join(ada, 'room'), await join(bob, 'room')];
  await sdk(server).trigger('room', 'moved', {}, { socket_id: ada.connection.socket_id });
  await sdk(server).trigger('room', 'end', {});
  await take(b.inbox, 'moved');
  await take(a.inbox, 'end');
  assert.ok(!a.inbox.all.some(({ event }) => event === 'moved'));
}));

test('data is handed on as it was given, whatever it is', withReverb(async ({ server }) => {
  const frames = await openFrames(server);
  await frames.subscribed('raw');
  for (const data of ['plain', '"1"', '{"a" : 1}', '[]', '', 'null', '\u00e9\u{1F680}\n"\\', '{"url":"https:\\/\\/x"}']) {
    assert.equal((await trigger(server, { name: 'raw', channels: ['raw'], data })).status, 200, data);
    const frame = await frames.next('raw');
    assert.deepEqual(frame, { event: 'raw', channel: 'raw', data });
  }
  frames.close();
}));

test('private channels are for those whom the application lets in', withReverb(async ({ server, as }) => {
  const ada = await as('ada');
  const mine = await join(ada, 'private-mine');
  assert.equal(mine.refused, null);
  const other = await join(ada, 'private-forbidden');
  assert.equal(other.refused.status, 403);
  await sdk(server).trigger(['private-mine', 'private-forbidden'], 'secret', { n: 1 });
  await take(mine.inbox, 'secret');
  assert.ok(!other.inbox.all.some(({ event }) => event === 'secret'));
}));

test('a presence channel shows who is there, with numbers as ids too', withReverb(async ({ as }) => {
  const [ada, seven] = [await as('ada'), await as('seven')];
  const first = await join(ada, 'presence-room');
  assert.deepEqual(first.channel.members.members, { ada: { name: 'Ada' } });
  const second = await join(seven, 'presence-room');
  const { members } = second.channel;
  assert.equal(members.count, 2);
  assert.deepEqual(members.members, { ada: { name: 'Ada' }, 7: { name: 'Seven' } });
  assert.deepEqual(members.me.info, { name: 'Seven' });
  assert.deepEqual((await take(first.inbox, 'pusher:member_added')).data, { id: '7', info: { name: 'Seven' } });
  seven.disconnect();
  assert.equal((await take(first.inbox, 'pusher:member_removed')).data.id, '7');
  assert.equal(first.channel.members.count, 1);
}));

test('two sockets of one user are one member, who leaves with the last', withReverb(async ({ server, as }) => {
  const watcher = await join(await as('bob'), 'presence-room');
  const [one, two] = [await as('ada'), await as('ada-again')];
  const first = await join(one, 'presence-room');
  const second = await join(two, 'presence-room');
  assert.equal(second.channel.members.count, 2);
  await take(watcher.inbox, 'pusher:member_added');
  one.disconnect();
  // When the second leaves by unsubscribing, the user is gone; all that was told before has come by then.
  await until('the first socket is gone', async () => {
    const answer = await trigger(server, { name: 'e', channel: 'presence-room', data: '1', info: 'subscription_count' });
    return answer.json.channels['presence-room'].subscription_count === 2;
  });
  assert.ok(!watcher.inbox.all.some(({ event }) => event === 'pusher:member_removed'));
  two.unsubscribe('presence-room');
  assert.equal((await take(watcher.inbox, 'pusher:member_removed')).data.id, 'ada');
  const names = watcher.inbox.all.map(({ event }) => event).filter((event) => event.startsWith('pusher:member'));
  assert.deepEqual(names, ['pusher:member_added', 'pusher:member_removed']);
  assert.ok(!first.inbox.all.some(({ event }) => event === 'pusher:member_added'), 'not told of itself');
  assert.equal(watcher.channel.members.count, 1);
}));

test('client events keep their kind and never come back to the sender', withReverb(async ({ server, as }) => {
  const [ada, bob] = await Promise.all([as('ada'), as('bob')]);
  const [a, b] = [await join(ada, 'private-room'), await join(bob, 'private-room')];
  const echoed = keepEvent(a.channel, 'client-value');
  const received = keepEvent(b.channel, 'client-value');
  const values = [{ a: [1, { b: null }] }, {}, [], [[]], 0, -1.5, 'text', '', 'null', null, true, 'Zoë 👩‍👩‍👧 \u2028 "\\'];
  for (const value of values) assert.ok(a.channel.trigger('client-value', value));
  for (const value of values) {
    const { data } = await received.take('a client event');
    // A text that is JSON arrives as what it says: pusher-js reads it so, from every server.
    assert.deepEqual(data, value === 'null' ? null : value);
  }
  await sdk(server).trigger('private-room', 'end', {});
  await take(a.inbox, 'end');
  assert.deepEqual(echoed.all, []);
}));

test('on a presence channel a client event says who sent it', withReverb(async ({ as }) => {
  const [seven, bob] = await Promise.all([as('seven'), as('bob')]);
  const [s, b] = [await join(seven, 'presence-room'), await join(bob, 'presence-room')];
  const received = keepEvent(b.channel, 'client-typing');
  s.channel.trigger('client-typing', { user_id: 'bob' });
  assert.deepEqual(await received.take('a client event'), { data: { user_id: 'bob' }, metadata: { user_id: '7' } });
}));

test('an application that does not exist ends in disconnected, and is not asked for again', withReverb(async ({ server, t }) => {
  const pusher = newPusher(t, server, { key: 'no-such-key' });
  const states = new Inbox();
  const errors = new Inbox();
  pusher.connection.bind('state_change', ({ current }) => states.push(current));
  pusher.connection.bind('error', (error) => errors.push(error));
  await states.take('disconnected', (state) => state === 'disconnected');
  const error = await errors.take('an error');
  assert.equal(error.data?.code ?? error.error?.data?.code, 4001);
  // pusher-js would try again after a second; it has no timer left that would.
  assert.equal(pusher.connection.retryTimer ?? null, null);
  assert.equal(pusher.connection.state, 'disconnected');
}));

test('a thousand events arrive in the order in which they were published', withReverb(async ({ server, as }) => {
  const joined = await Promise.all(['ada', 'bob'].map(async (token) => join(await as(token), 'private-race')));
  const publisher = sdk(server);
  for (let n = 0; n < 1_000; n += 1) await publisher.trigger('private-race', 'n', { n });
  await publisher.trigger('private-race', 'end', {});
  for (const { inbox } of joined) {
    await take(inbox, 'end');
    const numbers = inbox.all.filter(({ event }) => event === 'n').map(({ data }) => data.n);
    assert.deepEqual(numbers, Array.from({ length: 1_000 }, (_, n) => n));
  }
}));

test('nothing published after a subscription was confirmed is lost', withReverb(async ({ server }) => {
  const publisher = sdk(server);
  const frames = await openFrames(server);
  for (let round = 0; round < 50; round += 1) {
    const channel = `fresh-${round}`;
    const confirmed = frames.subscribed(channel);
    const published = confirmed.then(() => publisher.trigger(channel, 'first', { round }));
    await published;
    const frame = await frames.next('first');
    assert.equal(frame.channel, channel);
  }
  frames.close();
}));

test('an event may have 10,240 bytes of data and not one more', withReverb(async ({ server, as }) => {
  const { inbox } = await join(await as('ada'), 'big');
  const send = (data) => trigger(server, { name: 'big', channels: ['big'], data });
  assert.equal((await send('x'.repeat(10_240))).status, 200);
  assert.equal((await take(inbox, 'big')).data.length, 10_240);
  assert.equal((await send('é'.repeat(5_120))).status, 200, 'bytes count, not characters');
  const refused = await send('x'.repeat(10_241));
  assert.equal(refused.status, 413);
  assert.match(refused.json.error, /The data content of this event exceeds the allowed maximum \(10240 bytes\)/);
  assert.equal((await send(`${'é'.repeat(5_120)}x`)).status, 413);
}));

test('an event may go to 100 channels and not to one more', withReverb(async ({ server, as }) => {
  const { inbox } = await join(await as('ada'), 'c-99');
  const channels = Array.from({ length: 101 }, (_, n) => `c-${n}`);
  assert.equal((await trigger(server, { name: 'n', channels: channels.slice(0, 100), data: '1' })).status, 200);
  await take(inbox, 'n');
  assert.equal((await trigger(server, { name: 'n', channels, data: '1' })).status, 400);
}));

test('what is wrong with a publication is told with 400, and nothing of it is published', withReverb(async ({ server, as }) => {
  const { inbox } = await join(await as('ada'), 'ok');
  const good = { name: 'bad', channels: ['ok'], data: '1' };
  const cases = {
    'not JSON': '{',
    'a list': '[]',
    'no name': { ...good, name: undefined },
    'an empty name': { ...good, name: '' },
    'a number as name': { ...good, name: 1 },
    'a name too long': { ...good, name: 'n'.repeat(201) },
    'a reserved name': { ...good, name: 'pusher:subscription_succeeded' },
    'an internal name': { ...good, name: 'pusher_internal:member_added' },
    'no data': { ...good, data: undefined },
    'no channel': { ...good, channels: undefined },
    'an empty list': { ...good, channels: [] },
    'a number as channel': { ...good, channels: [1] },
    'a colon in a channel': { ...good, channels: ['ok', 'a:b'] },
    'a space in a channel': { ...good, channels: ['ok', 'a b'] },
    'an empty channel': { ...good, channels: ['ok', ''] },
    'a channel too long': { ...good, channels: ['ok', 'c'.repeat(201)] },
    'a malformed socket id': { ...good, socket_id: 'abc' },
    'a socket id with a sign': { ...good, socket_id: '-1.2' },
    'an unknown info': { ...good, info: 'weather' },
  };
  for (const [what, body] of Object.entries(cases)) {
    const answer = await signedPost(server, typeof body === 'string' ? body : JSON.stringify(body));
    assert.equal(answer.status, 400, `${what}: ${answer.text}`);
    assert.ok(answer.json.error, what);
  }
  assert.equal((await trigger(server, { ...good, name: 'end', channels: ['c'.repeat(200), 'ok'] })).status, 200);
  await take(inbox, 'end');
  assert.ok(!inbox.all.some(({ event }) => event === 'bad'));
}));

test('where, and by which method, makes a difference', withReverb(async ({ server }) => {
  const body = '{"name":"n","channels":["c"],"data":"1"}';
  assert.equal((await signedPost(server, body, { path: '/apps/999/events' })).status, 404);
  assert.equal((await signedPost(server, body, { path: `/apps/${APP.id}/nothing` })).status, 404);
  assert.equal((await fetch(`${server.url}/apps/${APP.id}/events`)).status, 405);
  assert.equal((await fetch(`${server.url}/app/${APP.key}`)).status, 426);
}));

test('a channel can be left and joined again', withReverb(async ({ server, as }) => {
  const pusher = await as('ada');
  const first = await join(pusher, 'private-room');
  pusher.unsubscribe('private-room');
  const fence = await join(pusher, 'fence');
  await sdk(server).trigger('private-room', 'unseen', {});
  await sdk(server).trigger('fence', 'end', {});
  await take(fence.inbox, 'end');
  assert.ok(!first.inbox.all.some(({ event }) => event === 'unseen'));
  const second = await join(pusher, 'private-room');
  await sdk(server).trigger('private-room', 'seen', {});
  await take(second.inbox, 'seen');
}));

test('without a Reverb environment members of public channels may not send client events',
  withServer(asChinwag(), async (server) => {
    const frames = await openFrames(server);
    await frames.subscribed('room');
    frames.send({ event: 'client-x', channel: 'room', data: {} });
    assert.equal((await frames.next('pusher:error')).data.code, 4301);
    frames.close();
  }));
