// Clients that no library would be: wrong, slow, silent, greedy or gone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';

import { closing, openFrames } from '../lib/frames.js';
import { APP, asChinwag, sdk, signChannel, signedPost, trigger } from '../lib/reverb.js';
import { withServer } from '../lib/server.js';
import { frame, handshake, openTcp } from '../lib/tcp.js';
import { until, within } from '../lib/wait.js';

const AUTHORISED_PREFIXES = [
  'private-',
  'private-cache-',
  'private-encrypted-',
  'private-encrypted-cache-',
  'presence-',
  'presence-cache-',
];

const withSockets = (more, body) =>
  withServer(asChinwag(more), async (server, t) => {
    const open = async (options) => {
      const frames = await openFrames(server, options);
      t.after(() => frames.close());
      return frames;
    };
    const tcp = async () => {
      const socket = await openTcp(server);
      t.after(() => socket.close());
      return socket;
    };
    await body({ server, open, tcp });
  });

/** Joins a presence channel as the application would allow it. */
function joinAs(frames, channel, member) {
  const data = typeof member === 'string' ? member : JSON.stringify(member);
  return frames.subscribe(channel, { auth: signChannel(frames.socketId, channel, data), channel_data: data });
}

async function joinedAs(frames, channel, member) {
  joinAs(frames, channel, member);
  const { data } = await frames.next('pusher_internal:subscription_succeeded');
  return JSON.parse(data).presence;
}

/** The frame that tells a refusal, and the one by which Echo learns of it. */
async function refused(frames) {
  const { data } = await frames.next('pusher:error');
  const follow = await frames.inbox.take('what follows the error');
  assert.equal(follow.event, 'pusher:subscription_error');
  return { ...data, channel: follow.channel, ...JSON.parse(follow.data) };
}

async function subscriptionCount(server, channel) {
  const answer = await trigger(server, { name: 'probe', channel, data: '1', info: 'subscription_count' });
  return answer.json.channels[channel].subscription_count;
}

// --- the handshake

test('the first frame gives an id that every SDK accepts, and no two are the same', withSockets({}, async ({ open }) => {
  const opened = await Promise.all(Array.from({ length: 50 }, () => open()));
  for (const { inbox, hello, socketId } of opened) {
    assert.equal(inbox.all[0].event, 'pusher:connection_established');
    assert.deepEqual(hello, { socket_id: socketId, activity_timeout: 120 });
    assert.match(socketId, /^\d{1,10}\.\d{1,10}$/);
  }
  assert.equal(new Set(opened.map(({ socketId }) => socketId)).size, 50);
}));

test('an unknown key is told with 4001, as a frame and as the close code', withSockets({}, async ({ open }) => {
  const frames = await open({ key: 'nobody', greeted: false });
  const { code, reason } = await closing(frames);
  assert.equal(code, 4001);
  assert.ok(reason);
  assert.deepEqual(frames.inbox.all.map(({ event, data }) => [event, data.code]), [['pusher:error', 4001]]);
}));

test('protocols 5 to 7 are spoken, without a version too, and others refused with 4007', withSockets({}, async ({ open }) => {
  for (const query of ['', '?', '?protocol=5', '?protocol=6', '?client=js&protocol=7&flash=false']) await open({ query });
  for (const version of ['4', '8', '99', 'seven', '7.0', '-7']) {
    const frames = await open({ query: `?protocol=${version}`, greeted: false });
    assert.equal((await closing(frames)).code, 4007, version);
    assert.equal(frames.inbox.all[0].data.code, 4007, version);
  }
}));

test('the subprotocol of one client is chosen when offered, and none otherwise', withSockets({}, async ({ open }) => {
  assert.equal((await open()).ws.protocol, '');
  assert.equal((await open({ protocols: ['pusher-channels-protocol-7'] })).ws.protocol, 'pusher-channels-protocol-7');
}));

test('only the allowed origins may connect, and others learn why', withSockets(
  { CHINWAG_APP_ALLOWED_ORIGINS: 'example.org, *.example.com' },
  async ({ open }) => {
    for (const origin of ['https://example.org', 'http://EXAMPLE.org:8080', 'https://a.example.com']) await open({ origin });
    for (const origin of ['https://example.com', 'https://example.org.evil.net', 'null', undefined]) {
      const frames = await open({ origin, greeted: false });
      assert.equal((await closing(frames)).code, 4009, String(origin));
    }
  },
));

test('an app with all the connections it may have refuses one more with 4004', withSockets(
  { CHINWAG_APP_CONNECTIONS_MAX: '2' },
  async ({ open }) => {
    const [first] = [await open(), await open()];
    assert.equal((await closing(await open({ greeted: false }))).code, 4004);
    first.close();
    await until('there is room again', async () => {
      const frames = await open({ greeted: false });
      return (await frames.inbox.take('the first frame')).event === 'pusher:connection_established';
    });
  },
));

test('a node with all the connections it may have asks to come back later', withSockets(
  { CHINWAG_CONNECTIONS_MAX: '1' },
  async ({ open }) => {
    await open();
    assert.equal((await closing(await open({ greeted: false }))).code, 4100);
  },
));

test('frames that come together with the handshake are not lost', withSockets({}, async ({ tcp }) => {
  const socket = await tcp();
  const ping = frame('{"event":"pusher:ping"}');
  socket.write(Buffer.concat([Buffer.from(handshake()), ping, ping]));
  await socket.receives(/^HTTP\/1\.1 101 .*connection_established.*pusher:pong.*pusher:pong/s);
}));

test('transports that nobody offers are refused at once', withSockets({}, async ({ server }) => {
  const response = await fetch(`${server.url}/pusher/app/${APP.key}/000/abc/xhr_streaming`, { method: 'POST' });
  assert.equal(response.status, 404);
}));

// --- subscribing

for (const prefix of AUTHORISED_PREFIXES) {
  test(`${prefix} channels admit only who is signed in for them`, withSockets({}, async ({ server, open }) => {
    const frames = await open();
    const channel = `${prefix}room`;
    const data = prefix.startsWith('presence-') ? JSON.stringify({ user_id: 'ada' }) : undefined;
    const sign = (socketId, name, keys) => signChannel(socketId, name, data, keys);
    const good = sign(frames.socketId, channel);
    const [key, signature] = good.split(':');
    const bad = {
      missing: undefined,
      empty: '',
      'no key': signature,
      'no signature': `${key}:`,
      'another key': `other:${signature}`,
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
    assert.ok(!frames.inbox.all.some(({ event }) => event === 'secret'));
    await frames.subscribed(channel, { auth: good, channel_data: data });
    await trigger(server, { name: 'secret', channel, data: '1' });
    await frames.next('secret');
  }));
}

test('channel data that the signature covers counts on private channels too', withSockets({}, async ({ open }) => {
  const frames = await open();
  const data = '{"user_id":"7","user_info":{"name":"Zo\\u00eb","url":"https:\\/\\/x"}}';
  await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a', data), channel_data: data });
  frames.subscribe('private-b', { auth: signChannel(frames.socketId, 'private-b'), channel_data: data });
  assert.equal((await refused(frames)).code, 4009);
}));

test('a prefix counts only whole and at the beginning', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (const name of ['privateer', 'presenceX', 'notprivate-x', 'mycache-x', 'cacheable', 'Private-x', 'x', '-']) {
    await frames.subscribed(name);
  }
}));

test('channel names are checked, and the refusal says which rule it was', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (const name of ['c'.repeat(200), 'room=1@a,b;c.d_e-F']) await frames.subscribed(name);
  for (const name of ['c'.repeat(201), '', 'a b', 'a:b', 'a/b', 'é', '#x', 'a\n']) {
    frames.subscribe(name);
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.status, refusal.channel ?? ''], [null, 4009, name], name);
    assert.ok(refusal.message);
  }
  // The channel of a user is a proper name, for that user only.
  frames.subscribe('#server-to-user-1');
  const stranger = await refused(frames);
  assert.deepEqual([stranger.code, stranger.status, stranger.channel], [4009, 401, '#server-to-user-1']);
}));

test('subscribing twice is confirmed twice and delivers once', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('room');
  await frames.subscribed('room');
  assert.equal(await subscriptionCount(server, 'room'), 1);
  await frames.fence();
  assert.equal(frames.inbox.all.filter(({ event }) => event === 'probe').length, 1);
  frames.send({ event: 'pusher:unsubscribe', data: { channel: 'room' } });
  frames.send({ event: 'pusher:unsubscribe', data: { channel: 'never-joined' } });
  await frames.fence();
  await until('nobody is there', async () => (await subscriptionCount(server, 'room')) === 0);
  await frames.fence();
  assert.ok(!frames.inbox.all.some(({ event }) => event === 'pusher:error'));
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

// --- presence

test('a roster is an object of texts, whatever ids and data its members have', withSockets({}, async ({ open }) => {
  const frames = await Promise.all(Array.from({ length: 5 }, () => open()));
  const members = [
    { user_id: 0, user_info: { name: 'Zero' } },
    { user_id: '1', user_info: true },
    { user_id: 2 },
    { user_id: 12345678901234567890n, user_info: null },
    { user_id: 'ü', user_info: [1] },
  ].map((member) => JSON.stringify(member, (_, value) => (typeof value === 'bigint' ? `#${value}#` : value)).replace(/"#|#"/g, ''));
  let presence;
  for (const [n, member] of members.entries()) presence = await joinedAs(frames[n], 'presence-p', member);
  assert.equal(presence.count, 5);
  const ids = ['0', '1', '2', '12345678901234567890', 'ü'];
  assert.deepEqual([...presence.ids].sort(), [...ids].sort());
  assert.ok(!Array.isArray(presence.hash));
  assert.deepEqual([presence.hash[0], presence.hash[1], presence.hash[2], presence.hash['ü']], [{ name: 'Zero' }, true, {}, [1]]);
  for (const id of ids.slice(1)) {
    const added = JSON.parse((await frames[0].next('pusher_internal:member_added')).data);
    assert.deepEqual(added, { user_id: id, user_info: presence.hash[id] });
  }
}));

test('members without a proper id are refused, and so is too much about one', withSockets({}, async ({ open }) => {
  const frames = await open();
  const bad = ['{}', '[]', '7', 'nothing', '{"user_id":true}', '{"user_id":null}', '{"user_id":{}}', '{"user_id":""}',
    '{"user_id":1.5}', JSON.stringify({ user_id: 'u'.repeat(201) })];
  for (const data of bad) {
    joinAs(frames, 'presence-p', data);
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.channel], [4009, 'presence-p'], data);
  }
  joinAs(frames, 'presence-p', { user_id: 'a', user_info: 'x'.repeat(2_048) });
  const refusal = await refused(frames);
  assert.deepEqual([refusal.status, refusal.type], [4301, 'LimitReached']);
  frames.subscribe('presence-p', { auth: signChannel(frames.socketId, 'presence-p') });
  assert.equal((await refused(frames)).code, 4009);
}));

test('who is cut off is told to have left', withSockets({}, async ({ open }) => {
  const [watcher, gone] = [await open(), await open()];
  await joinedAs(watcher, 'presence-p', { user_id: 'ada' });
  await joinedAs(gone, 'presence-p', { user_id: 'bob' });
  gone.ws._socket.resetAndDestroy();
  assert.deepEqual(await watcher.next('pusher_internal:member_removed'), {
    event: 'pusher_internal:member_removed',
    channel: 'presence-p',
    data: '{"user_id":"bob"}',
  });
}));

test('a full presence channel refuses a new user, not a user who is there already', withSockets(
  { CHINWAG_APP_PRESENCE_MEMBERS_MAX: '2' },
  async ({ open }) => {
    for (const user of ['ada', 'bob', 'ada']) await joinedAs(await open(), 'presence-p', { user_id: user });
    const frames = await open();
    joinAs(frames, 'presence-p', { user_id: 'cleo' });
    const refusal = await refused(frames);
    assert.deepEqual([refusal.code, refusal.status, refusal.type], [null, 4100, 'LimitReached']);
  },
));

test('members who come and go at once are told in an order that makes sense', withSockets({}, async ({ open }) => {
  const watcher = await open();
  await joinedAs(watcher, 'presence-p', { user_id: 'watcher' });
  const others = await Promise.all(Array.from({ length: 20 }, () => open()));
  for (const [n, frames] of others.entries()) joinAs(frames, 'presence-p', { user_id: `u${n % 5}` });
  others.forEach((frames) => frames.ws.close());
  const there = new Set();
  const removed = () => watcher.inbox.all.filter(({ event }) => event.endsWith('member_removed')).length;
  const added = () => watcher.inbox.all.filter(({ event }) => event.endsWith('member_added')).length;
  await until('all have left', () => removed() >= 5 && removed() === added());
  await watcher.fence();
  for (const { event, data } of watcher.inbox.all) {
    const user = data && JSON.parse(data).user_id;
    if (event.endsWith('member_added')) assert.ok(!there.has(user) && there.add(user), `${user} is added twice`);
    if (event.endsWith('member_removed')) assert.ok(there.delete(user), `${user} leaves who was not there`);
  }
  assert.equal(there.size, 0);
}));

// --- client events

test('client events are refused with the reason', withSockets({}, async ({ open }) => {
  const frames = await open();
  await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a') });
  await frames.subscribed('public');
  const big = 'x'.repeat(10_241);
  for (const [code, event, channel, data] of [
    [4009, 'client-x', 'private-b', {}],
    [4301, 'client-x', 'public', {}],
    [4301, `client-${'x'.repeat(194)}`, 'private-a', {}],
    [4301, 'client-x', 'private-a', big],
    [null, 'xclient-y', 'private-a', {}],
    [null, 'message', 'private-a', {}],
    [4200, 'client-x', undefined, {}],
    [4200, 'client-x', 7, {}],
  ]) {
    frames.send({ event, channel, data });
    const error = await frames.next('pusher:error');
    assert.equal(error.data.code, code, `${event} ${channel}`);
    assert.equal(typeof error.data.message, 'string');
    assert.ok(!('channel' in error));
  }
}));

test('an app that takes no client events says so', withSockets({ CHINWAG_APP_CLIENT_EVENTS: 'none' }, async ({ open }) => {
  const frames = await open();
  await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a') });
  frames.send({ event: 'client-x', channel: 'private-a', data: {} });
  assert.equal((await frames.next('pusher:error')).data.code, 4301);
}));

test('who sends client events too fast is told, and stays connected', withSockets({}, async ({ open }) => {
  const [sender, other] = [await open(), await open()];
  for (const frames of [sender, other]) {
    await frames.subscribed('private-a', { auth: signChannel(frames.socketId, 'private-a') });
  }
  for (let n = 0; n < 100; n += 1) sender.send({ event: 'client-n', channel: 'private-a', data: n });
  await sender.fence();
  const errors = sender.inbox.all.filter(({ event }) => event === 'pusher:error');
  assert.ok(errors.length > 50 && errors.length <= 90, `${errors.length} refused`);
  assert.ok(errors.every(({ data }) => data.code === 4301));
  const count = () => other.inbox.all.filter(({ event }) => event === 'client-n').length;
  await until('the others have what was accepted', () => count() === 100 - errors.length);
}));

test('a relayed client event holds nothing the sender made up', withSockets({}, async ({ open }) => {
  const [sender, other] = [await open(), await open()];
  await joinedAs(sender, 'presence-p', { user_id: 'ada' });
  await joinedAs(other, 'presence-p', { user_id: 'bob' });
  sender.send({ event: 'client-x', channel: 'presence-p', data: { a: 1 }, user_id: 'bob', socket_id: '1.1', extra: true });
  sender.send({ event: 'client-y', channel: 'presence-p' });
  const base = { channel: 'presence-p', user_id: 'ada' };
  assert.deepEqual(await other.next('client-x'), { ...base, event: 'client-x', data: '{"a":1}' });
  assert.deepEqual(await other.next('client-y'), { ...base, event: 'client-y', data: '{}' });
}));

// --- malformed input

test('malformed messages are answered and change nothing else', withSockets({}, async ({ open }) => {
  const frames = await open();
  const malformed = [
    '', 'hello', '{', '[]', '7', 'null', '"text"', '{}', '{"event":7}', '{"event":null}', '{"event":"pusher:subscribe"}',
    '{"event":"pusher:subscribe","data":{}}', '{"event":"pusher:subscribe","data":[]}',
    '{"event":"pusher:subscribe","data":{"channel":7}}', '{"event":"pusher:subscribe","data":{"channel":"a","auth":7}}',
    '{"event":"pusher:subscribe","data":"{"}', '{"event":"pusher:unsubscribe","data":{"channel":null}}',
    '{"event":"pusher:unknown","data":{}}', '{"event":"pusher_internal:member_added","data":"{}"}',
    '{"event":"pusher:connection_established","data":"{}"}', '{"event":"\\ud800"}', '{"event":"pusher:ping"}}',
    `{"event":"a","data":${'['.repeat(30_000)}${']'.repeat(30_000)}}`,
  ];
  for (const text of malformed) {
    frames.send(text);
    const { data } = await frames.next('pusher:error');
    const code = text.startsWith('{"event":"a"') ? data.code ?? 4200 : data.code;
    assert.equal(code, 4200, text.slice(0, 80));
  }
  frames.send(Buffer.from('{"event":"pusher:ping","data":{}}'));
  assert.deepEqual((await frames.next('pusher:error')).data, { code: 4200, message: 'Invalid message format' });
  await frames.fence();
  assert.equal(frames.ws.readyState, frames.ws.OPEN);
}));

test('who sends nothing but garbage is sent away for a while', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (let n = 0; n < 150; n += 1) frames.send('garbage');
  assert.equal((await closing(frames)).code, 4100);
}));

test('a message of the largest size is read, a larger one closes with 1009', withSockets({}, async ({ open }) => {
  const frames = await open();
  const message = (size) => {
    const text = '{"event":"pusher:ping","data":""}';
    return text.replace('""', `"${'x'.repeat(size - text.length)}"`);
  };
  frames.send(message(65_536));
  await frames.next('pusher:pong');
  frames.send(message(65_537));
  assert.equal((await closing(frames)).code, 1009);
  // Cut into fragments it is no smaller.
  const fragments = await open();
  for (let n = 0; n < 9; n += 1) fragments.ws.send('x'.repeat(8_192), { fin: false });
  assert.equal((await closing(fragments)).code, 1009);
}));

test('frames against the WebSocket protocol end the connection, with the code that says why', withSockets({}, async ({ tcp }) => {
  const cases = [
    ['not masked', frame('{"event":"pusher:ping"}', { masked: false }), [1002]],
    ['a reserved bit', frame('{}', { first: 0xc1 }), [1002]],
    ['an unknown opcode', frame('{}', { first: 0x83 }), [1002]],
    ['a continuation of nothing', frame('{}', { first: 0x80 }), [1002]],
    ['a ping in parts', frame('', { first: 0x09 }), [1002]],
    ['a ping too long', frame('x'.repeat(126), { first: 0x89 }), [1002]],
    ['text that is not UTF-8', frame(Buffer.of(0xff, 0xfe)), [1007]],
    ['a length of 2^62', Buffer.concat([Buffer.of(0x81, 0xff, 0x40), Buffer.alloc(11)]), [1009, 1002]],
  ];
  await Promise.all(cases.map(async ([what, bytes, codes]) => {
    const socket = await tcp();
    socket.write(handshake());
    await socket.receives('connection_established');
    const before = socket.received.length;
    socket.write(bytes);
    await socket.isCut();
    const after = socket.received.subarray(before);
    const at = after.indexOf(0x88);
    assert.ok(at >= 0, `${what}: a close frame comes, not only ${after.toString('latin1')}`);
    assert.ok(codes.includes(after.readUInt16BE(at + 2)), `${what}: ${after.readUInt16BE(at + 2)}`);
  }));
}));

test('a client that says goodbye is answered with its own code', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.ws.close(1000, 'bye');
  assert.equal((await closing(frames)).code, 1000);
}));

// --- liveness

test('pings of both kinds are answered', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.ws.ping('payload');
  assert.equal(await frames.pongs.take('a pong'), 'payload');
  for (const ping of ['{"event":"pusher:ping"}', '{"event":"pusher:ping","data":{}}', '{"event":"pusher:ping","data":"{}"}']) {
    frames.send(ping);
    assert.deepEqual(await frames.next('pusher:pong'), { event: 'pusher:pong', data: '{}' });
  }
}));

test('silent clients are asked, subscribed or not, and closed with 4201 when they say nothing', withSockets(
  { CHINWAG_APP_PING_INTERVAL_S: '1' },
  async ({ open }) => {
    const silent = await Promise.all([open({ autoPong: false }), open({ autoPong: false })]);
    const alive = await open();
    await silent[0].subscribed('room');
    await Promise.all(silent.map(({ pings }) => pings.take('a probe')));
    for (const frames of silent) {
      assert.equal((await closing(frames, 45_000)).code, 4201);
      assert.equal(frames.inbox.all.at(-1).data.code, 4201);
      assert.equal(frames.pings.all.length, 1, 'asked once');
    }
    assert.equal(alive.ws.readyState, alive.ws.OPEN);
    assert.ok(alive.pings.all.length > 1);
  },
));

// --- greed and sloth

test('a request that never gets finished is cut off, and costs others nothing', withSockets(
  { CHINWAG_HEAD_TIMEOUT_S: '1' },
  async ({ open, tcp }) => {
    const slow = await Promise.all(Array.from({ length: 30 }, () => tcp()));
    slow.forEach((socket) => socket.write(`GET /app/${APP.key} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: `));
    const dripping = setInterval(() => slow.forEach((socket) => socket.write('a')), 100);
    try {
      await (await open()).fence();
      await Promise.all(slow.map((socket) => socket.isCut(10_000)));
    } finally {
      clearInterval(dripping);
    }
  },
));

test('hundreds of connections that say nothing cost others nothing', withSockets({ CHINWAG_HEAD_TIMEOUT_S: '2' }, async ({ server, open, tcp }) => {
  const idle = await Promise.all(Array.from({ length: 500 }, () => tcp()));
  const frames = await open();
  await frames.subscribed('room');
  await trigger(server, { name: 'n', channel: 'room', data: '1' });
  await frames.next('n', 2_000);
  await Promise.all(idle.map((socket) => socket.isCut()));
}));

const BODY_BYTES = 10 * 1024 * 1024;

/** The most memory the server has ever had, in kB. */
const peakKb = async ({ pid }) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/VmHWM:\s+(\d+)/)[1]);

test('an event of 10 MB is refused before it is there, and many cost little memory', withSockets({}, async ({ server, tcp }) => {
  const path = `/apps/${APP.id}/events`;
  for (const framing of [`Content-Length: ${BODY_BYTES}`, 'Transfer-Encoding: chunked']) {
    const socket = await tcp();
    socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${framing}\r\n\r\n`);
    for (let n = 0; n < 20; n += 1) socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`);
    await Promise.race([socket.isCut(), socket.receives('\r\n\r\n')]);
    assert.match(socket.text, /^HTTP\/1\.1 413 /, framing);
  }
  // 20 bodies would be 200 MB; one of the largest allowed size for each is 20 MB.
  const allowedKb = (await peakKb(server)) + 50_000;
  const body = JSON.stringify({ name: 'n', channels: ['c'], data: 'x'.repeat(BODY_BYTES) });
  const answers = await Promise.all(Array.from({ length: 20 }, () => signedPost(server, body).catch(() => null)));
  // Some clients only see that the connection ends while they are still sending.
  assert.ok(answers.every((answer) => answer === null || answer.status === 413));
  assert.ok((await peakKb(server)) < allowedKb, `${await peakKb(server)} kB at most, ${allowedKb} allowed`);
  assert.equal((await trigger(server, { name: 'n', channel: 'c', data: '1' })).status, 200);
}));

for (const path of ['/api/v1/auth/register', '/api/v1/auth/login', '/api/v1/conversations', '/broadcasting/auth']) {
  test(`10 MB sent to ${path} are answered, not cut off without a word`, withSockets({}, async ({ tcp }) => {
    const socket = await tcp();
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: ${BODY_BYTES}\r\n\r\n`);
    for (let n = 0; n < 40; n += 1) socket.write('x'.repeat(65_536));
    // Reading it to the end is not needed, but the answer must get there: 413, or 401 where nobody is logged in.
    await Promise.race([socket.isCut(), socket.receives('\r\n\r\n')]);
    assert.match(socket.text, /^HTTP\/1\.1 (413|401) /);
  }));
}

test('who goes on sending after being told 1009 is heard to the end of it and let go', withSockets({}, async ({ open, tcp }) => {
  const socket = await tcp();
  socket.write(handshake());
  await socket.receives('connection_established');
  const bytes = frame('x'.repeat(70_000));
  socket.write(bytes.subarray(0, 20));
  await socket.receives('\x03\xf1Maximum message size exceeded');
  socket.write(bytes.subarray(20));
  socket.write(frame(Buffer.of(0x03, 0xf1), { first: 0x88 }));
  await socket.isCut();
  await (await open()).fence();
}));

test('a frame announced as too long is not gathered in memory while the connection is being closed', withSockets({}, async ({ server, tcp }) => {
  const socket = await tcp();
  socket.write(handshake());
  await socket.receives('connection_established');
  const before = await peakKb(server);
  socket.write(Buffer.concat([Buffer.of(0x82, 0xff), Buffer.from('0000010000000000', 'hex'), Buffer.alloc(4)]));
  const part = Buffer.alloc(1024 * 1024);
  let cut = false;
  socket.ended.then(() => (cut = true));
  for (let n = 0; n < 200 && !cut; n += 1) {
    const taken = new Promise((resolve) => socket.socket.write(part, resolve));
    await within('what is sent is read or the connection ended', Promise.race([taken, socket.ended]));
  }
  const grownKb = (await peakKb(server)) - before;
  assert.ok(grownKb < 20_000, `${grownKb} kB for one client that was told 1009`);
}));

test('who never reads is closed, while others get everything in order', withSockets(
  { CHINWAG_QUEUE_BYTES_MAX: '524288' },
  async ({ server, open }) => {
    const [reader, sloth] = [await open(), await open()];
    for (const frames of [reader, sloth]) await frames.subscribed('flood');
    sloth.ws._socket.pause();
    const padding = 'x'.repeat(10_000);
    const publisher = sdk(server);
    const numbers = [];
    reader.ws.on('message', (data) => {
      const { event, data: text } = JSON.parse(String(data));
      if (event === 'n') numbers.push(JSON.parse(text).n);
    });
    let sent = 0;
    // A fifth of a megabyte at a time, so that the reader never has as much before it as the sloth may have.
    const publish = async () => {
      for (let n = 0; n < 20; n += 1) await publisher.trigger('flood', 'n', { n: sent++, padding });
      await until('the reader has all', () => numbers.length >= sent);
    };
    await until('the sloth is closed', async () => {
      await publish();
      return (await subscriptionCount(server, 'flood')) === 1;
    }, 60_000);
    await publish();
    assert.deepEqual(numbers, Array.from({ length: sent }, (_, n) => n));
    sloth.ws._socket.resume();
    const { code } = await closing(sloth);
    assert.ok([4100, 1006].includes(code), `a code that lets it come back, not ${code}`);
  },
));

test('heads that are too long or no HTTP at all are refused', withSockets({}, async ({ open, tcp }) => {
  for (const text of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'nonsense\r\n\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`]) {
    const socket = await tcp();
    socket.write(Buffer.from(text, 'latin1'));
    await socket.isCut();
    assert.match(socket.text, /^(HTTP\/1\.1 4\d\d |$)/);
  }
  await (await open()).fence();
}));

// --- stopping

test('at SIGTERM clients are told to come back, and the process ends by itself', withSockets({}, async ({ server, open, tcp }) => {
  const clients = await Promise.all(Array.from({ length: 100 }, () => open()));
  await Promise.all(clients.map((frames, n) => frames.subscribed(`room-${n % 3}`)));
  const keptAlive = await tcp();
  keptAlive.write('GET /up HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await keptAlive.receives('"OK"');
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  for (const frames of clients) {
    const { code, reason } = await closing(frames);
    assert.equal(code, 4100);
    assert.ok(reason);
  }
}));

test('a request that never gets finished does not hold up a restart', withSockets({}, async ({ server, open, tcp }) => {
  const frames = await open();
  const halfOpen = await tcp();
  halfOpen.write('GET / HTTP/1.1\r\n');
  // When this is answered, the server has seen the other one too.
  await fetch(`${server.url}/up`).then((response) => response.text());
  const ended = server.stop();
  assert.equal((await closing(frames, 5_000)).code, 4100);
  assert.deepEqual(await ended, { code: 0, signal: null });
}));

test('a client that does not read does not keep the process from ending', withSockets({}, async ({ server, open }) => {
  const sloth = await open();
  await sloth.subscribed('flood');
  sloth.ws._socket.pause();
  const publisher = sdk(server);
  for (let n = 0; n < 50; n += 1) await publisher.trigger('flood', 'n', 'x'.repeat(10_000));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
}));
