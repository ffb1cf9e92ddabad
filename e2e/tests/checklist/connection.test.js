// Items 1 to 14: connecting, being refused, staying alive, and what is no message.

import assert from 'node:assert/strict';
import { request as httpsRequest } from 'node:https';
import test, { describe } from 'node:test';

import { certificate } from '../../lib/certificate.js';
import { closing, openFrames } from '../../lib/frames.js';
import { connectPusher, join, newPusher } from '../../lib/pusherClient.js';
import { APP, asChinwag, reverbEnvironment, signedPost, signedRequest } from '../../lib/reverb.js';
import { withServer } from '../../lib/server.js';
import { withSockets } from '../../lib/sockets.js';
import { frame, handshake } from '../../lib/tcp.js';
import { Inbox, until, within } from '../../lib/wait.js';

/** That a connection was refused: the frame that says so, and the same code once more as it is closed. */
async function isRefused(frames, code, what) {
  const closed = await closing(frames);
  assert.equal(closed.code, code, what);
  assert.ok(closed.reason, 'the reason is told');
  assert.deepEqual(frames.inbox.all.map(({ event, data }) => [event, data.code, typeof data.message]), [
    ['pusher:error', code, 'string'],
  ], what);
}

test('(1) the handshake: the first frame, its data a text with an id that every SDK accepts', withSockets({}, async ({ open }) => {
  const opened = await Promise.all(Array.from({ length: 50 }, () => open()));
  for (const { inbox, hello, socketId } of opened) {
    const [first] = inbox.all;
    assert.deepEqual([Object.keys(first), first.event, typeof first.data],
      [['event', 'data'], 'pusher:connection_established', 'string']);
    assert.deepEqual(hello, { socket_id: socketId, activity_timeout: 120 });
    assert.match(socketId, /^\d{1,10}\.\d{1,10}$/);
  }
  assert.equal(new Set(opened.map(({ socketId }) => socketId)).size, 50);
}));

test('(1) the handshake: frames that come together with it are not lost', withSockets({}, async ({ tcp }) => {
  const socket = await tcp();
  const ping = frame('{"event":"pusher:ping"}');
  socket.write(Buffer.concat([Buffer.from(handshake()), ping, ping]));
  await socket.receives(/^HTTP\/1\.1 101 .*connection_established.*pusher:pong.*pusher:pong/s);
}));

test('(2) a bad key: told with 4001, as a frame and as the close code', withSockets({}, async ({ open }) => {
  await isRefused(await open({ key: 'nobody', greeted: false }), 4001);
}));

test('(2) a bad key: pusher-js ends in disconnected and does not ask again', withSockets({}, async ({ server, t }) => {
  const pusher = newPusher(t, server, { key: 'no-such-key' });
  const [states, errors] = [new Inbox(), new Inbox()];
  pusher.connection.bind('state_change', ({ current }) => states.push(current));
  pusher.connection.bind('error', (error) => errors.push(error));
  await states.take('disconnected', (state) => state === 'disconnected');
  const error = await errors.take('an error');
  assert.equal(error.data?.code ?? error.error?.data?.code, 4001);
  // pusher-js would try again after a second; it has no timer left that would.
  assert.equal(pusher.connection.retryTimer ?? null, null);
  assert.equal(pusher.connection.state, 'disconnected');
}));

test('(2) an app that is switched off: told with 4003, and its servers with 403', withSockets({ CHINWAG_APP_ENABLED: 'false' }, async ({ server, open }) => {
  await isRefused(await open({ greeted: false }), 4003);
  assert.equal((await signedPost(server, '{"name":"n","channel":"c","data":"1"}')).status, 403);
}));

test('(3) no protocol, 5 and 6 are served like 7, others refused with 4007', withSockets({}, async ({ open }) => {
  for (const query of ['', '?', '?protocol=5', '?protocol=6', '?client=js&protocol=7&flash=false']) await open({ query });
  for (const version of ['4', '8', '99', 'seven', '7.0', '-7']) {
    await isRefused(await open({ query: `?protocol=${version}`, greeted: false }), 4007, version);
  }
}));

test('(4) the sub-protocol of Swift is chosen when offered, and none otherwise', withSockets({}, async ({ open }) => {
  assert.equal((await open()).ws.protocol, '');
  assert.equal((await open({ protocols: ['pusher-channels-protocol-7'] })).ws.protocol, 'pusher-channels-protocol-7');
  const two = await open({ protocols: ['something-else', 'pusher-channels-protocol-7'] });
  assert.equal(two.ws.protocol, 'pusher-channels-protocol-7');
}));

test('(5) a path prefix stands before /app and /apps, and may be signed or not', async (t) => {
  const environment = await reverbEnvironment({ REVERB_SERVER_PATH: '/ws', REVERB_PORT: '443', REVERB_HOST: 'example.org' });
  await withServer(environment, async (server) => {
    assert.equal(String(server.port), environment.REVERB_SERVER_PORT);
    const pusher = await connectPusher(t, server, { wsPath: '/ws' });
    const { inbox } = await join(pusher, 'news');
    for (const signedPath of [`/ws/apps/${APP.id}/events`, `/apps/${APP.id}/events`]) {
      const body = JSON.stringify({ name: 'n', channel: 'news', data: signedPath });
      const answer = await signedPost(server, body, { path: `/ws/apps/${APP.id}/events`, signedPath });
      assert.deepEqual([answer.status, answer.text], [200, '{}'], signedPath);
      assert.equal((await inbox.take('the event', ({ event }) => event === 'n')).data, signedPath);
    }
    assert.equal((await signedPost(server, '{}')).status, 404, 'nothing is served without the prefix');
    for (const path of ['/up', '/ws/up']) {
      assert.deepEqual(await (await fetch(server.url + path)).json(), { health: 'OK' }, path);
    }
  })(t);
});

for (const given of ['ws', '/ws/', '/a/b']) {
  test(`(5) a path prefix given as ${given} is the same with and without slashes`, async (t) => {
    const environment = await reverbEnvironment({ REVERB_SERVER_PATH: given });
    const prefix = `/${given.replace(/^\/|\/$/g, '')}`;
    await withServer(environment, async (server) => {
      const frames = await openFrames(server, { prefix });
      t.after(() => frames.close());
      await frames.subscribed('news');
      const path = `${prefix}/apps/${APP.id}/events`;
      assert.equal((await signedPost(server, '{"name":"n","channel":"news","data":"1"}', { path })).text, '{}');
      await frames.next('n');
    })(t);
  });
}

test('(5) elsewhere than under /app a WebSocket is refused with 404', withSockets({}, async ({ tcp }) => {
  for (const path of ['/nowhere', '/', '/app', '/app/', `/app/${APP.key}/more`, `/ws/app/${APP.key}`]) {
    const socket = await tcp();
    socket.write(handshake(path));
    await socket.receives(/^HTTP\/1\.1 404 /);
  }
}));

test('(6) TLS: the same port serves wss and https when a certificate is given', async (t) => {
  const { cert, key, ca } = await certificate(t);
  const environment = asChinwag({ CHINWAG_TLS_CERTIFICATE: cert, CHINWAG_TLS_KEY: key });
  await withServer(environment, async (server) => {
    const frames = await openFrames(server, { ca });
    t.after(() => frames.close());
    await frames.subscribed('room');
    frames.send({ event: 'pusher:ping', data: {} });
    await frames.next('pusher:pong');
    const up = new Promise((resolve, reject) => {
      httpsRequest(`${server.url}/up`, { ca }, (response) => resolve(response.resume().statusCode)).on('error', reject).end();
    });
    assert.equal(await within('https answers', up), 200);
    await assert.rejects(fetch(`http://127.0.0.1:${server.port}/up`), 'plain HTTP is not served beside it');
  })(t);
});

test('(7) only allowed origins may connect, by host, and others are told 4009', withSockets(
  { CHINWAG_APP_ALLOWED_ORIGINS: 'example.org, *.example.com, https://with.scheme' },
  async ({ open }) => {
    const allowed = ['https://example.org', 'http://EXAMPLE.org:8080', 'https://a.example.com', 'https://a.b.example.com', 'http://with.scheme'];
    for (const origin of allowed) await open({ origin });
    const others = ['https://example.com', 'https://example.org.evil.net', 'https://evilexample.com', 'null', undefined];
    for (const origin of others) await isRefused(await open({ origin, greeted: false }), 4009, String(origin));
  },
));

test('(7) where any origin may connect, so may a client that names none', withSockets({}, async ({ open }) => {
  for (const origin of [undefined, 'null', 'https://any.where']) await open({ origin });
}));

test('(8) an app with all the connections it may have refuses one more with 4004, and closes it', withSockets(
  { CHINWAG_APP_CONNECTIONS_MAX: '2' },
  async ({ open }) => {
    // Neither has subscribed to anything; they count all the same.
    const [first] = [await open(), await open()];
    await isRefused(await open({ greeted: false }), 4004);
    first.close();
    await until('there is room again', async () => {
      const frames = await open({ greeted: false });
      return (await frames.inbox.take('the first frame')).event === 'pusher:connection_established';
    });
  },
));

test('(8) a node with all the connections it may have says 4100, so that clients come back', withSockets(
  { CHINWAG_CONNECTIONS_MAX: '1' },
  async ({ open }) => {
    await open();
    await isRefused(await open({ greeted: false }), 4100);
  },
));

test('(9) pings of WebSocket and of the protocol are answered, with data and without', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.ws.ping('payload');
  assert.equal(await frames.pongs.take('a pong'), 'payload');
  for (const ping of ['{"event":"pusher:ping"}', '{"event":"pusher:ping","data":{}}', '{"event":"pusher:ping","data":"{}"}']) {
    frames.send(ping);
    assert.deepEqual(await frames.next('pusher:pong'), { event: 'pusher:pong', data: '{}' });
  }
}));

// Half a minute is given for the answer, so they wait for it together.
describe('silence', { concurrency: true }, () => {
  const short = { CHINWAG_APP_PING_INTERVAL_S: '1' };
  const isAskedAndClosed = async (silent) => {
    await silent.pings.take('a probe');
    assert.equal((await closing(silent, 45_000)).code, 4201);
    assert.deepEqual([silent.inbox.all.at(-1).event, silent.inbox.all.at(-1).data.code], ['pusher:error', 4201]);
    assert.equal(silent.pings.all.length, 1, 'asked once');
  };

  test('(10) a silent client is asked, then closed with 4201, and one that answers is not', withSockets(short, async ({ open }) => {
    const [silent, alive] = [await open({ autoPong: false }), await open()];
    for (const frames of [silent, alive]) await frames.subscribed('room');
    await isAskedAndClosed(silent);
    assert.equal(alive.ws.readyState, alive.ws.OPEN);
    assert.ok(alive.pings.all.length > 1);
  }));

  test('(10) where clients are asked by an event, its answer counts', withSockets(
    { ...short, CHINWAG_APP_PINGS: 'event' },
    async ({ open }) => {
      const frames = await open();
      for (let n = 0; n < 2; n += 1) {
        assert.deepEqual(await frames.next('pusher:ping'), { event: 'pusher:ping', data: '{}' });
        frames.send({ event: 'pusher:pong', data: {} });
      }
      await frames.fence();
      assert.equal(frames.pings.all.length, 0);
    },
  ));

  test('(11) a client that never subscribed is asked and closed too', withSockets(short, async ({ open }) => {
    await isAskedAndClosed(await open({ autoPong: false }));
  }));
});

test('(12) a message of the largest size is read, a larger one closes with 1009', withSockets({}, async ({ open }) => {
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

test('(12) with Reverb\'s variable the largest message is the one it says', async (t) => {
  const environment = await reverbEnvironment({ REVERB_APP_MAX_MESSAGE_SIZE: '1000' });
  await withServer(environment, async (server) => {
    const frames = await openFrames(server);
    frames.send({ event: 'pusher:ping', data: 'x'.repeat(1_000) });
    assert.equal((await closing(frames)).code, 1009);
  })(t);
});

test('(13) what is no message is answered with 4200 and changes nothing else', withSockets({}, async ({ open }) => {
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
  await frames.fence();
  assert.equal(frames.ws.readyState, frames.ws.OPEN);
}));

test('(13) who sends nothing but garbage is sent away for a while', withSockets({}, async ({ open }) => {
  const frames = await open();
  for (let n = 0; n < 150; n += 1) frames.send('garbage');
  assert.equal((await closing(frames)).code, 4100);
}));

test('(14) a binary frame is no message', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.send(Buffer.from('{"event":"pusher:ping","data":{}}'));
  assert.deepEqual((await frames.next('pusher:error')).data, { code: 4200, message: 'Invalid message format' });
  await frames.fence();
}));

test('transports that nobody offers are refused at once', withSockets({}, async ({ server }) => {
  const response = await fetch(`${server.url}/pusher/app/${APP.key}/000/abc/xhr_streaming`, { method: 'POST' });
  assert.equal(response.status, 404);
  assert.equal((await fetch(`${server.url}/app/${APP.key}`)).status, 426);
  assert.equal((await signedRequest(server, 'GET', `/apps/${APP.id}/nothing`)).status, 404);
}));
