// Item 72: the clients for Java, Swift and .NET, by how they connect, stay alive and read. What is asserted of a frame is
// what these clients need in order not to drop it.

import assert from 'node:assert/strict';
import test from 'node:test';

import { closing } from '../../lib/frames.js';
import { asChinwag, signChannel, signUser, trigger } from '../../lib/reverb.js';
import { admitted, joinedAs, refused, withSockets } from '../../lib/sockets.js';

const CLIENTS = {
  'Java (protocol 5)': { query: '?client=java-client&protocol=5&version=2.4.4' },
  'Swift (sub-protocol, protocol 7)': { query: '?protocol=7&client=pusher-websocket-swift&version=10.1.5', protocols: ['pusher-channels-protocol-7'] },
  '.NET (protocol 5)': { query: '?protocol=5&client=pusher-dotnet-client&version=2.3.0' },
};

/** Which frames have an object as data; everything else must be text, or Swift drops it. */
const WITH_OBJECT = ['pusher:error', 'pusher:signin_success'];

function isReadable(frame) {
  assert.equal(typeof frame.event, 'string');
  // Java's accessor fails on a frame without data.
  assert.ok('data' in frame, JSON.stringify(frame));
  const wanted = WITH_OBJECT.includes(frame.event) ? 'object' : 'string';
  assert.equal(typeof frame.data, wanted, JSON.stringify(frame));
  if (frame.event.startsWith('pusher') && wanted === 'string') assert.equal(typeof JSON.parse(frame.data), 'object');
  if ('user_id' in frame) assert.equal(typeof frame.user_id, 'string');
  assert.deepEqual(Object.keys(frame), ['event', 'channel', 'data', 'user_id'].filter((name) => name in frame), 'in this order');
}

for (const [name, how] of Object.entries(CLIENTS)) {
  test(`(72) recorded from ${name}: every kind of frame is one that it reads`, withSockets(
    { CHINWAG_APP_SUBSCRIPTION_COUNT: 'true', CHINWAG_APP_WATCHLIST_EVENTS: 'true', CHINWAG_APP_PING_INTERVAL_S: '1', CHINWAG_APP_PINGS: 'event' },
    async ({ server, open }) => {
      const [frames, other] = [await open(how), await open()];
      const seen = new Set();
      frames.ws.on('message', (data) => seen.add(JSON.parse(String(data)).event));
      await frames.subscribed('news', { auth: null });
      await frames.next('pusher_internal:subscription_count');
      await admitted(frames, 'private-a');
      await joinedAs(frames, 'presence-p', { user_id: 7 });
      await joinedAs(other, 'presence-p', { user_id: 8 });
      await frames.next('pusher_internal:member_added');
      other.send({ event: 'client-x', channel: 'presence-p', data: { a: 1 } });
      await frames.next('client-x');
      other.close();
      await frames.next('pusher_internal:member_removed');
      await frames.subscribed('cache-x');
      await frames.next('pusher:cache_miss');
      for (const data of ['{"a":1}', 'plain', '1', '']) {
        await trigger(server, { name: 'event', channel: 'news', data });
        assert.equal((await frames.next('event')).data, data);
      }
      frames.subscribe('private-b', { auth: 'no' });
      const error = await refused(frames);
      assert.deepEqual([error.code, error.status], [4009, 401]);
      const data = '{"id":"u-1","watchlist":["u-2"]}';
      frames.send({ event: 'pusher:signin', data: { auth: signUser(frames.socketId, data), user_data: data } });
      await frames.next('pusher:signin_success');
      await frames.next('pusher_internal:watchlist_events');
      await frames.fence();
      await frames.next('pusher:ping');
      frames.inbox.all.forEach(isReadable);
      // These they hear of by name.
      for (const event of ['pusher:error', 'pusher:subscription_error', 'pusher:pong', 'pusher:ping', 'pusher_internal:subscription_succeeded']) {
        assert.ok(seen.has(event), event);
      }
    },
  ));

  test(`(72) recorded from ${name}: errors that end the connection have their code in a frame and in the close`, withSockets({}, async ({ open }) => {
    const frames = await open({ ...how, key: 'nobody', greeted: false });
    assert.equal((await closing(frames)).code, 4001);
    frames.inbox.all.forEach(isReadable);
    assert.equal(frames.inbox.all[0].data.code, 4001);
  }));
}

test('(72) recorded from Swift and .NET: pings of WebSocket every moment are answered, count as life and against no limit', withSockets(
  () => asChinwag({ CHINWAG_APP_RATE_LIMIT: 'true', CHINWAG_APP_RATE_LIMIT_MESSAGES: '3', CHINWAG_APP_RATE_LIMIT_TERMINATE: 'true', CHINWAG_APP_PING_INTERVAL_S: '2' }),
  async ({ open }) => {
    const frames = await open(CLIENTS['.NET (protocol 5)']);
    for (let n = 0; n < 50; n += 1) {
      frames.ws.ping(`p${n}`);
      assert.equal(await frames.pongs.take('a pong'), `p${n}`);
    }
    // Pinging more often than the server would ask, it is never asked.
    const pinging = setInterval(() => frames.ws.ping(''), 200);
    const quiet = await open();
    await quiet.pings.take('the one that says nothing is asked');
    clearInterval(pinging);
    assert.equal(frames.pings.all.length, 0);
    await frames.subscribed('news');
  },
));

test('(72) recorded from Java: channel data and signatures as text within text', withSockets({}, async ({ open }) => {
  const frames = await open(CLIENTS['Java (protocol 5)']);
  const data = '{"user_id":"7","user_info":{"name":"Zoë \\"x\\""}}';
  const auth = signChannel(frames.socketId, 'presence-p', data);
  frames.send({ event: 'pusher:subscribe', data: JSON.stringify({ channel: 'presence-p', auth, channel_data: data }) });
  const answer = await frames.next('pusher_internal:subscription_succeeded');
  assert.deepEqual(JSON.parse(answer.data).presence.hash, { 7: { name: 'Zoë "x"' } });
}));
