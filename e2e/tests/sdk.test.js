// The stock server SDK: what it is answered, and what is believed of what it sends.

import assert from 'node:assert/strict';
import test from 'node:test';

import { openFrames } from '../lib/frames.js';
import { APP, asReverb, sdk, signChannel, signedPost } from '../lib/reverb.js';
import { withServer } from '../lib/server.js';

const BODY = JSON.stringify({ name: 'n', channels: ['c'], data: '1' });

const refusal = (promise) => promise.then(() => assert.fail('was accepted'), (error) => error);

test('publishing is answered with 200 and an empty object', withServer(asReverb(), async (server) => {
  const response = await sdk(server).trigger('c', 'n', { a: 1 });
  assert.equal(response.status, 200);
  assert.match(response.headers.get('content-type'), /^application\/json/);
  assert.equal(await response.text(), '{}');
}));

test('who asks for numbers gets them, channels without anybody included', withServer(asReverb(), async (server) => {
  const frames = await openFrames(server);
  const data = JSON.stringify({ user_id: '7' });
  const auth = signChannel(frames.socketId, 'presence-p', data);
  await frames.subscribed('presence-p', { auth, channel_data: data });
  await frames.subscribed('plain');
  const channels = ['presence-p', 'plain', 'empty', 'presence-empty'];
  const response = await sdk(server).trigger(channels, 'n', {}, { info: 'user_count,subscription_count' });
  assert.deepEqual(await response.json(), {
    channels: {
      'presence-p': { user_count: 1, subscription_count: 1 },
      plain: { subscription_count: 1 },
      empty: { subscription_count: 0 },
      'presence-empty': { user_count: 0, subscription_count: 0 },
    },
  });
  frames.close();
}));

test('a wrong secret is refused with 401, and the right one is not given away', withServer(asReverb(), async (server) => {
  const error = await refusal(sdk(server, { secret: 'guess' }).trigger('c', 'n', {}));
  assert.equal(error.status, 401);
  assert.match(error.body, /Authentication signature invalid/);
  assert.ok(!error.body.includes(APP.secret));
}));

test('a key of another app is refused with 401, an unknown app with 404', withServer(asReverb(), async (server) => {
  assert.equal((await refusal(sdk(server, { key: 'other' }).trigger('c', 'n', {}))).status, 401);
  assert.equal((await refusal(sdk(server, { appId: '1' }).trigger('c', 'n', {}))).status, 404);
}));

test('the messenger cannot be published to with the keys of an application', withServer(asReverb(), async (server) => {
  const answer = await signedPost(server, BODY, { path: '/apps/messenger/events' });
  assert.ok([401, 404].includes(answer.status), answer.text);
}));

test('a clock may be 590 seconds off, and not 611', withServer(asReverb(), async (server) => {
  for (const [offset, status] of [[-590, 200], [590, 200], [-611, 401], [611, 401]]) {
    const answer = await signedPost(server, BODY, { now: Date.now() + offset * 1_000 });
    assert.equal(answer.status, status, `${offset} s: ${answer.text}`);
  }
}));

test('a body that was changed on the way is refused', withServer(asReverb(), async (server) => {
  const changed = BODY.replace('"1"', '"2"');
  assert.equal((await signedPost(server, BODY, { sent: changed })).status, 401);
  assert.equal((await signedPost(server, changed, { sent: BODY })).status, 401);
}));

test('a body that the signature does not cover is refused', withServer(asReverb(), async (server) => {
  assert.equal((await signedPost(server, BODY, { query: { body_md5: undefined } })).status, 401);
}));

test('every part of the signature is needed', withServer(asReverb(), async (server) => {
  const good = await signedPost(server, BODY);
  assert.equal(good.status, 200);
  for (const name of ['auth_key', 'auth_timestamp', 'auth_version']) {
    const { status } = await signedPost(server, BODY, { query: { [name]: undefined } });
    assert.ok([400, 401].includes(status), `${name} missing: ${status}`);
  }
  for (const [name, value] of [['auth_version', '2.0'], ['auth_timestamp', 'now'], ['auth_timestamp', '']]) {
    assert.equal((await signedPost(server, BODY, { query: { [name]: value } })).status, 401, `${name}=${value}`);
  }
  for (const signature of ['', '0', '0'.repeat(64), 'é']) {
    assert.equal((await signedPost(server, BODY, { signature: encodeURIComponent(signature) })).status, 401);
  }
  const twice = { path: `/apps/${APP.id}/events`, query: { 'auth_key=x&auth_key': APP.key } };
  assert.equal((await signedPost(server, BODY, twice)).status, 400);
}));

test('a signed request may be split, chunked, slow in parts and of any content type', withServer(asReverb(), async (server) => {
  const headers = { 'content-type': 'text/plain' };
  assert.equal((await signedPost(server, BODY, { headers })).status, 200);
  const chunks = new ReadableStream({
    start(controller) {
      for (const byte of Buffer.from(BODY)) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const { createHash, createHmac } = await import('node:crypto');
  const md5 = createHash('md5').update(BODY).digest('hex');
  const query = `auth_key=${APP.key}&auth_timestamp=${Math.floor(Date.now() / 1_000)}&auth_version=1.0&body_md5=${md5}`;
  const text = `POST\n/apps/${APP.id}/events\n${query}`;
  const signature = createHmac('sha256', APP.secret).update(text).digest('hex');
  const address = `${server.url}/apps/${APP.id}/events?${query}&auth_signature=${signature}`;
  const response = await fetch(address, { method: 'POST', body: chunks, duplex: 'half' });
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
}));
