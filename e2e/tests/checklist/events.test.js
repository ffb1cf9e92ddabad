// Items 34 to 46: what servers publish and ask over HTTP.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';

import { APP, ask, asReverb, hmac, sdk, signedPost, signedRequest, trigger } from '../../lib/reverb.js';
import { count, joinedAs, withSockets } from '../../lib/sockets.js';
import { frame, handshake } from '../../lib/tcp.js';
import { until } from '../../lib/wait.js';

const EVENT = { name: 'n', channels: ['c'], data: '1' };
const BODY = JSON.stringify(EVENT);
const BATCH = { path: `/apps/${APP.id}/batch_events` };
const batch = (server, items) => signedPost(server, JSON.stringify({ batch: items }), BATCH);
const ok = (answer, what) => assert.deepEqual([answer.status, answer.text], [200, '{}'], what);

test('(34) the socket_id given is left out, on whichever worker it is [one node]', withSockets({ CHINWAG_WORKERS: '3' }, async ({ server, open }) => {
  const sockets = await Promise.all(Array.from({ length: 9 }, () => open()));
  for (const frames of sockets) await frames.subscribed('room');
  for (const [n, { socketId }] of sockets.entries()) {
    ok(await trigger(server, { name: `not-${n}`, channel: 'room', data: '1', socket_id: socketId }));
  }
  ok(await batch(server, [{ name: 'batch', channel: 'room', data: '1', socket_id: sockets[0].socketId }]));
  for (const id of ['1.1', '0.0']) ok(await trigger(server, { name: 'all', channel: 'room', data: '1', socket_id: id }), 'nobody’s');
  ok(await trigger(server, { name: 'end', channel: 'room', data: '1' }));
  for (const [n, frames] of sockets.entries()) {
    await frames.next('end');
    const expected = sockets.map((_, other) => `not-${other}`).filter((name) => name !== `not-${n}`);
    const names = frames.inbox.all.map(({ event }) => event).filter((name) => name.startsWith('not-'));
    assert.deepEqual(names, expected);
    assert.deepEqual([count(frames, 'batch'), count(frames, 'all')], [n === 0 ? 0 : 1, 2]);
  }
  for (const id of ['abc', '-1.2', '1.2.3', '1', '1.2 ', '1e3.2', '']) {
    assert.equal((await trigger(server, { ...EVENT, socket_id: id })).status, 400, id);
  }
}));

test('(35) data is handed on as it was given: text, JSON, emoji, 10,240 bytes; one more is 413', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('raw');
  const given = ['plain', '"1"', '1', '{"a" : 1}', '[]', '', ' ', 'null', '\u00e9\u{1F680}\n"\\', '\u0000', '{"url":"https:\\/\\/x","n":"\\u00eb"}',
    'x'.repeat(10_240), 'é'.repeat(5_120)];
  for (const data of given) {
    ok(await trigger(server, { name: 'raw', channels: ['raw'], data }), data.slice(0, 20));
    assert.deepEqual(await frames.next('raw'), { event: 'raw', channel: 'raw', data });
  }
  // Another kind of JSON, which no SDK sends, is handed on as its text.
  for (const [json, text] of [['{"b":1, "a":[1.50]}', '{"b":1,"a":[1.50]}'], ['7', '7'], ['null', 'null'], ['true', 'true']]) {
    ok(await signedPost(server, `{"name":"raw","channel":"raw","data":${json}}`), json);
    assert.equal((await frames.next('raw')).data, text);
  }
  for (const data of ['x'.repeat(10_241), `${'é'.repeat(5_120)}x`]) {
    const answer = await trigger(server, { name: 'raw', channels: ['raw'], data });
    assert.equal(answer.status, 413);
    assert.match(answer.json.error, /The data content of this event exceeds the allowed maximum \(10240 bytes\)/);
  }
  assert.equal((await batch(server, [{ ...EVENT, channel: 'raw', data: 'x'.repeat(10_241) }])).status, 413);
}));

test('(36) a thousand events arrive in the order in which they were published', withSockets({ CHINWAG_WORKERS: '2' }, async ({ server, open }) => {
  const sockets = await Promise.all([open(), open(), open()]);
  for (const frames of sockets) await frames.subscribed('race');
  const publisher = sdk(server);
  for (let n = 0; n < 1_000; n += 1) await publisher.trigger('race', 'n', { n });
  await publisher.triggerBatch(Array.from({ length: 10 }, (_, n) => ({ channel: 'race', name: 'n', data: { n: 1_000 + n } })));
  await publisher.trigger('race', 'end', {});
  for (const frames of sockets) {
    await frames.next('end');
    const numbers = frames.inbox.all.filter(({ event }) => event === 'n').map(({ data }) => JSON.parse(data).n);
    assert.deepEqual(numbers, Array.from({ length: 1_010 }, (_, n) => n));
  }
}));

test('(37) an event may go to 100 channels, once to each, and not to 101', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  const channels = Array.from({ length: 101 }, (_, n) => `c-${n}`);
  for (const channel of channels) await frames.subscribed(channel);
  ok(await trigger(server, { ...EVENT, channels: channels.slice(0, 100) }));
  ok(await trigger(server, { ...EVENT, channels: ['c-0', 'c-1', 'c-0'] }), 'the same channel twice');
  assert.equal((await trigger(server, { ...EVENT, channels })).status, 400);
  assert.equal((await trigger(server, { ...EVENT, channels: [] })).status, 400);
  ok(await trigger(server, { ...EVENT, name: 'end', channels: ['c-100'] }));
  await frames.next('end');
  assert.equal(count(frames, 'n'), 102);
}));

test('(37) channel and channels, one or many, are both understood', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  for (const channel of ['a', 'b']) await frames.subscribed(channel);
  for (const [given, expected] of [
    [{ channel: 'a' }, ['a']],
    [{ channels: ['a'] }, ['a']],
    [{ channel: ['a', 'b'] }, ['a', 'b']],
    [{ channels: 'b' }, ['b']],
    [{ channels: ['a'], channel: 'b' }, ['a']],
  ]) {
    ok(await trigger(server, { name: 'n', data: '1', ...given }));
    for (const channel of expected) assert.equal((await frames.next('n')).channel, channel);
  }
  await frames.fence();
  assert.equal(count(frames, 'n'), 6);
}));

test('(38) a batch has 1 to 10 events, is taken or refused as a whole, and info stands at its place', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await joinedAs(frames, 'presence-p', { user_id: '7' });
  await frames.subscribed('a');
  const item = { channel: 'a', name: 'n', data: '1' };
  ok(await batch(server, Array(10).fill(item)));
  for (let n = 0; n < 10; n += 1) await frames.next('n');
  for (const items of [Array(11).fill(item), [], [item, { ...item, channel: 'a b' }], [item, { ...item, name: undefined }],
    [item, { ...item, data: undefined }], [item, { ...item, info: 'weather' }], [item, 7]]) {
    assert.equal((await batch(server, items)).status, 400, JSON.stringify(items).slice(0, 100));
  }
  const asked = await batch(server, [
    item,
    { ...item, channel: 'presence-p', info: 'user_count,subscription_count' },
    { ...item, channel: 'empty', info: 'subscription_count' },
    { ...item, info: 'user_count' },
  ]);
  assert.deepEqual(asked.json, { batch: [{}, { user_count: 1, subscription_count: 1 }, { subscription_count: 0 }, {}] });
  await frames.fence();
  assert.equal(count(frames, 'n'), 13, 'nothing of what was refused');
}));

test('(39) publishing is answered with 200, JSON and exactly {}', withSockets({}, async ({ server }) => {
  const answers = [
    await trigger(server, EVENT),
    await batch(server, [{ channel: 'a', name: 'n', data: '1' }]),
    await signedPost(server, '{}', { path: `/apps/${APP.id}/users/nobody/terminate_connections` }),
    await signedPost(server, '', { path: `/apps/${APP.id}/users/nobody/terminate_connections` }),
  ];
  for (const answer of answers) {
    ok(answer);
    assert.match(answer.headers.get('content-type'), /^application\/json/);
  }
  const asked = await trigger(server, { ...EVENT, channels: ['presence-p', 'c'], info: 'user_count,subscription_count' });
  assert.deepEqual(asked.json, { channels: { 'presence-p': { user_count: 0, subscription_count: 0 }, c: { subscription_count: 0 } } });
}));

test('(40) questions are answered as documented', withSockets({}, async ({ server, open }) => {
  const [one, two] = [await open(), await open()];
  for (const [frames, user] of [[one, '7'], [two, '7']]) await joinedAs(frames, 'presence-p', { user_id: user, user_info: { n: 1 } });
  await two.subscribed('plain');
  for (const [path, query, expected] of [
    ['/channels', {}, { channels: { plain: {}, 'presence-p': {} } }],
    ['/channels', { filter_by_prefix: 'presence-', info: 'user_count' }, { channels: { 'presence-p': { user_count: 1 } } }],
    ['/channels', { filter_by_prefix: 'presence-p', info: 'user_count,subscription_count' },
      { channels: { 'presence-p': { user_count: 1, subscription_count: 2 } } }],
    ['/channels', { filter_by_prefix: 'nothing' }, { channels: {} }],
    ['/channels/plain', {}, { occupied: true }],
    ['/channels/plain', { info: 'subscription_count' }, { occupied: true, subscription_count: 1 }],
    ['/channels/presence-p', { info: 'user_count' }, { occupied: true, user_count: 1 }],
    ['/channels/nobody', { info: 'subscription_count' }, { occupied: false, subscription_count: 0 }],
    ['/channels/presence-nobody', { info: 'user_count' }, { occupied: false, user_count: 0 }],
    ['/channels/presence-p/users', {}, { users: [{ id: '7' }] }],
    ['/channels/presence-p/users', { with_user_info: '1' }, { users: [{ id: '7', user_info: { n: 1 } }] }],
    ['/channels/presence-nobody/users', {}, { users: [] }],
    ['/connections', {}, { connections: 2 }],
  ]) {
    const answer = await ask(server, path, query);
    assert.deepEqual([answer.status, answer.json], [200, expected], `${path} ${JSON.stringify(query)}`);
  }
}));

test('(40) questions that make no sense are 400, what is not there 404, the wrong method 405', withSockets({}, async ({ server }) => {
  for (const [path, query, status] of [
    ['/channels', { info: 'user_count' }, 400],
    ['/channels', { info: 'user_count', filter_by_prefix: 'private-' }, 400],
    ['/channels', { info: 'weather' }, 400],
    ['/channels/plain', { info: 'user_count' }, 400],
    ['/channels/plain', { info: 'cache' }, 400],
    ['/channels/plain', { info: 'weather' }, 400],
    ['/channels/a b', {}, 400],
    ['/channels/private-x/users', {}, 400],
    ['/nothing', {}, 404],
  ]) {
    const answer = await ask(server, path, query);
    assert.equal(answer.status, status, `${path} ${JSON.stringify(query)}: ${answer.text}`);
    assert.equal(answer.json.status, status);
    assert.ok(answer.json.error && answer.json.code);
  }
  assert.equal((await signedPost(server, BODY, { path: '/apps/999/events' })).status, 404);
  assert.equal((await ask(server, '/events', {})).status, 405);
  assert.equal((await signedPost(server, '{}', { path: `/apps/${APP.id}/channels` })).status, 405);
}));

test('(40) what is wrong with a publication is told with 400, and nothing of it is published', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('ok');
  const good = { name: 'bad', channels: ['ok'], data: '1' };
  const cases = {
    'not JSON': '{',
    'a list': '[]',
    'not UTF-8': Buffer.from('{"name":"bad","channels":["ok"],"data":"\xff"}', 'latin1'),
    'no name': { ...good, name: undefined },
    'an empty name': { ...good, name: '' },
    'a number as name': { ...good, name: 1 },
    'a name too long': { ...good, name: 'n'.repeat(201) },
    'no data': { ...good, data: undefined },
    'no channel': { ...good, channels: undefined },
    'a number as channel': { ...good, channels: [1] },
    'a colon in a channel': { ...good, channels: ['ok', 'a:b'] },
    'a space in a channel': { ...good, channels: ['ok', 'a b'] },
    'an empty channel': { ...good, channels: ['ok', ''] },
    'a channel too long': { ...good, channels: ['ok', 'c'.repeat(201)] },
    'a channel of the server': { ...good, channels: ['ok', '#other'] },
    'an unknown info': { ...good, info: 'weather' },
    'an info that is for questions': { ...good, info: 'cache' },
  };
  for (const [what, body] of Object.entries(cases)) {
    const answer = await signedPost(server, typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body));
    assert.equal(answer.status, 400, `${what}: ${answer.text}`);
    assert.ok(answer.json.error, what);
  }
  ok(await trigger(server, { ...good, name: 'end', channels: ['c'.repeat(200), 'ok'] }));
  await frames.next('end');
  assert.equal(count(frames, 'bad'), 0);
}));

test('(41) a GET with the body_md5 of nothing, as the Python SDK signs it, is answered', withSockets({}, async ({ server }) => {
  const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
  for (const path of ['/channels', '/channels/presence-p', '/channels/presence-p/users', '/connections']) {
    assert.equal((await ask(server, path, { body_md5: md5 })).status, 200, path);
  }
  assert.equal((await ask(server, '/channels', { body_md5: md5, filter_by_prefix: 'presence-', info: 'user_count' })).status, 200);
  assert.equal((await ask(server, '/channels', { body_md5: md5.replace('d', 'e') })).status, 401);
}));

test('(41) terminating without the app in the path, as the Python SDK does, finds the app by its key', withSockets({}, async ({ server }) => {
  const path = '/users/u-1/terminate_connections';
  ok(await signedPost(server, '{}', { path }));
  assert.equal((await signedPost(server, '{}', { path, key: 'nobody' })).status, 401);
  assert.equal((await signedPost(server, '{}', { path, secret: 'guess' })).status, 401);
  assert.equal((await signedPost(server, '{}', { path, query: { auth_key: undefined } })).status, 401);
}));

test('(42) a clock may be 600 seconds off, not more, and the answer tells the time', withSockets({}, async ({ server }) => {
  for (const [offset, status] of [[-599, 200], [599, 200], [-601, 401], [601, 401]]) {
    // The server reads its own clock: what counts is an answer within the second in which the request was made.
    const answer = await until('a whole request within one second', async () => {
      const second = Math.floor(Date.now() / 1_000);
      const given = await signedPost(server, BODY, { now: (second + offset) * 1_000 });
      return second === Math.floor(Date.now() / 1_000) && given;
    });
    assert.equal(answer.status, status, `${offset} s: ${answer.text}`);
    if (status === 401) assert.match(answer.json.error, /the time of this server is \d+/);
  }
}));

test('(42) where the tolerance is off, any time will do', withSockets({ CHINWAG_APP_TIMESTAMP_TOLERANCE_S: '0' }, async ({ server }) => {
  ok(await signedPost(server, BODY, { now: 0 }));
  assert.equal((await signedPost(server, BODY, { query: { auth_timestamp: 'now' } })).status, 401);
}));

test('(43) a body that was changed, or that the signature does not cover, is refused', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('c');
  const changed = BODY.replace('"1"', '"2"');
  for (const [what, answer] of [
    ['changed on the way', await signedPost(server, BODY, { sent: changed })],
    ['signed for another', await signedPost(server, changed, { sent: BODY })],
    ['left out of the signature', await signedPost(server, BODY, { query: { body_md5: undefined } })],
    ['with an empty digest', await signedPost(server, BODY, { query: { body_md5: '' } })],
    ['with the digest of nothing', await signedPost(server, BODY, { query: { body_md5: 'd41d8cd98f00b204e9800998ecf8427e' } })],
    ['added to a signed empty one', await signedPost(server, '', { sent: BODY })],
  ]) assert.equal(answer.status, 401, what);
  ok(await signedPost(server, BODY, { query: { body_md5: createHash('md5').update(BODY).digest('hex').toUpperCase() } }));
  await frames.next('n');
  await frames.fence();
  assert.equal(count(frames, 'n'), 1);
}));

test('(44) commas and @ may be percent-encoded on the wire or not, in the query and in the path', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await joinedAs(frames, 'presence-room@1,a;b=c', { user_id: '7' });
  const encodings = [
    (text) => text,
    (text) => text.replaceAll(',', '%2C').replaceAll('@', '%40'),
    (text) => text.replaceAll(',', '%2c').replaceAll('@', '%40').replaceAll('-', '%2D'),
  ];
  for (const wire of encodings) {
    const query = { filter_by_prefix: 'presence-room@1,a', info: 'user_count,subscription_count' };
    const { json } = await ask(server, '/channels', query, { wire });
    assert.deepEqual(json, { channels: { 'presence-room@1,a;b=c': { user_count: 1, subscription_count: 2 - 1 } } });
  }
  const raw = `/apps/${APP.id}/channels/presence-room@1,a;b=c/users`;
  for (const path of [raw, raw.replace('@', '%40').replace(',', '%2C'), raw.replace('@', '%40').replace(',', '%2C').replace(';', '%3B').replace('=', '%3D')]) {
    for (const signedPath of new Set([raw, path])) {
      const answer = await signedRequest(server, 'GET', path, { signedPath });
      assert.deepEqual([answer.status, answer.json], [200, { users: [{ id: '7' }] }], `${path} signed as ${signedPath}`);
    }
  }
  // Names of parameters do not depend on capitals.
  const named = (text) => text.replace('filter_by_prefix', 'Filter_By_Prefix').replace('info', 'Info');
  const { json } = await ask(server, '/channels', { filter_by_prefix: 'presence-', info: 'user_count' }, { wire: named });
  assert.deepEqual(Object.values(json.channels), [{ user_count: 1 }]);
  assert.equal((await ask(server, '/channels', { 'auth_key=x&auth_key': APP.key })).status, 400, 'a parameter given twice');
}));

/** The target of a signed request, for sending it by hand. */
function target(method, path, body = '') {
  const md5 = body && `&body_md5=${createHash('md5').update(body).digest('hex')}`;
  const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1_000)}&auth_version=1.0${md5}`;
  return `${path}?${query}&auth_signature=${hmac(`${method}\n${path}\n${query}`)}`;
}

test('(45) connections are kept, and requests may be sent ahead, in parts and after asking', withSockets({}, async ({ tcp }) => {
  const socket = await tcp();
  const post = `POST ${target('POST', `/apps/${APP.id}/events`, BODY)} HTTP/1.1\r\nHost: x\r\nContent-Length: ${BODY.length}\r\n`;
  const get = `GET ${target('GET', `/apps/${APP.id}/channels`)} HTTP/1.1\r\nHost: x\r\n\r\n`;
  socket.write(`${post}\r\n${BODY}${get}${post}\r\n${BODY}`);
  await socket.receives(/^HTTP\/1\.1 200 .*\r\n\r\n\{\}HTTP\/1\.1 200 .*\{"channels":\{\}\}HTTP\/1\.1 200 .*\r\n\r\n\{\}$/s);
  assert.doesNotMatch(socket.text, /connection: close/i);
  socket.write(`${post}Expect: 100-continue\r\n\r\n`);
  await socket.receives(/\{\}HTTP\/1\.1 100 Continue\r\n\r\n$/);
  for (const part of [BODY.slice(0, 7), BODY.slice(7)]) socket.write(part);
  await socket.receives(/100 Continue\r\n\r\nHTTP\/1\.1 200 .*\r\n\r\n\{\}$/s);
  // The connection that has asked can become a WebSocket.
  socket.write(handshake());
  await socket.receives(/HTTP\/1\.1 101 .*connection_established/s);
  socket.write(frame('{"event":"pusher:ping"}'));
  await socket.receives('pusher:pong');
}));

test('(45) a body may be chunked, a byte at a time, and of any content type', withSockets({}, async ({ server }) => {
  ok(await signedPost(server, BODY, { headers: { 'content-type': 'text/plain' } }));
  const chunks = new ReadableStream({
    start(controller) {
      for (const byte of Buffer.from(BODY)) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const address = server.url + target('POST', `/apps/${APP.id}/events`, BODY);
  const response = await fetch(address, { method: 'POST', body: chunks, duplex: 'half' });
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
}));

test('(46) events cannot be published under the names of the protocol', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await frames.subscribed('c');
  for (const name of ['pusher:error', 'pusher:subscription_succeeded', 'pusher_internal:member_added', 'pusher:', 'pusher_internal:']) {
    assert.equal((await trigger(server, { ...EVENT, name })).status, 400, name);
    assert.equal((await batch(server, [{ channel: 'c', name, data: '1' }])).status, 400, name);
  }
  for (const name of ['pusherx', 'xpusher:error', 'Pusher:error', 'client-x']) {
    ok(await trigger(server, { ...EVENT, name }));
    await frames.next(name);
  }
  const path = `/apps/${APP.id}/channels/c/events`;
  const query = { name: 'pusher:error' };
  assert.equal((await signedPost(server, '{}', { path, query })).status, 400);
  const old = await signedPost(server, '{"x":1}', { path, query: { name: 'old' } });
  assert.equal(old.status, 202, 'the way of 2012');
  assert.equal((await frames.next('old')).data, '{"x":1}');
}));

test('(40) a rate set for servers is told with 429 and when to come again', withSockets({ CHINWAG_APP_QUERIES_PER_S: '1' }, async ({ server }) => {
  await until('the limit is met', async () => {
    const answer = await ask(server, '/channels', {});
    if (answer.status !== 429) return false;
    assert.equal(answer.json.status, 429);
    assert.match(answer.headers.get('retry-after'), /^\d+$/);
    return true;
  });
}));

test('the messenger cannot be published to with the keys of an application', withSockets(asReverb(), async ({ server }) => {
  const answer = await signedPost(server, BODY, { path: '/apps/messenger/events' });
  assert.ok([401, 404].includes(answer.status), answer.text);
}));
