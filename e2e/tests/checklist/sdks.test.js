// Item 71: server SDKs. Those of npm and PyPI as they are published; those of PHP, Ruby and Go, which need runtimes that
// these tests do without, by the very requests they make.

import assert from 'node:assert/strict';
import test from 'node:test';

import PusherServer from 'pusher';

import { closing, openFrames } from '../../lib/frames.js';
import { pythonSdk } from '../../lib/python.js';
import { APP, ask, asReverb, sdk, signedPost, signedRequest } from '../../lib/reverb.js';
import { withServer } from '../../lib/server.js';
import { joinedAs } from '../../lib/sockets.js';
import { within } from '../../lib/wait.js';
import { withHooks } from '../../lib/webhooks.js';

const MASTER_KEY = Buffer.from(Array.from({ length: 32 }, (_, n) => n)).toString('base64');
const PRESENCE = 'presence-room@1,a;b=c_d.e';

/** A server, a socket on a public and on a presence channel, and one that is signed in by what `signIn` returns. */
const withSubscribers = (body) => withServer(asReverb(), async (server, t) => {
  const open = async () => {
    const frames = await openFrames(server);
    t.after(() => frames.close());
    return frames;
  };
  const frames = await open();
  await frames.subscribed('news');
  await joinedAs(frames, PRESENCE, { user_id: '7', user_info: { name: 'Zoë' } });
  await body({ server, t, open, frames });
});

const refusal = (promise) => promise.then(() => assert.fail('was accepted'), (error) => error);

test('(71) npm’s SDK: trigger, with info, an exclusion, many channels and encryption', withSubscribers(async ({ server, frames }) => {
  const publisher = sdk(server, { encryptionMasterKeyBase64: MASTER_KEY });
  const response = await publisher.trigger('news', 'n', { url: 'https://x', name: 'Zoë' });
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
  assert.deepEqual(JSON.parse((await frames.next('n')).data), { url: 'https://x', name: 'Zoë' });
  const asked = await publisher.trigger(['news', PRESENCE, 'empty'], 'm', 'text', { info: 'user_count,subscription_count' });
  assert.deepEqual(await asked.json(), {
    channels: { news: { subscription_count: 1 }, [PRESENCE]: { user_count: 1, subscription_count: 1 }, empty: { subscription_count: 0 } },
  });
  for (const channel of ['news', PRESENCE]) assert.deepEqual(await frames.next('m'), { event: 'm', channel, data: 'text' });
  await publisher.trigger('news', 'unseen', {}, { socket_id: frames.socketId });
  const { auth, shared_secret: secret } = publisher.authorizeChannel(frames.socketId, 'private-encrypted-vault');
  assert.equal(Buffer.from(secret, 'base64').compare(publisher.channelSharedSecret('private-encrypted-vault')), 0);
  await frames.subscribed('private-encrypted-vault', { auth });
  await publisher.trigger('private-encrypted-vault', 'secret', { msg: 'hi' });
  assert.deepEqual(Object.keys(JSON.parse((await frames.next('secret')).data)), ['nonce', 'ciphertext']);
  assert.ok(!frames.inbox.all.some(({ event }) => event === 'unseen'));
}));

test('(71) npm’s SDK: triggerBatch', withSubscribers(async ({ server, frames }) => {
  const plain = await sdk(server).triggerBatch([{ channel: 'news', name: 'one', data: { n: 1 } }, { channel: 'news', name: 'two', data: 'x' }]);
  assert.equal(await plain.text(), '{}');
  assert.deepEqual([(await frames.next('one')).data, (await frames.next('two')).data], ['{"n":1}', 'x']);
  const asked = await sdk(server).triggerBatch([
    { channel: 'news', name: 'n', data: {} },
    { channel: PRESENCE, name: 'n', data: {}, info: 'user_count' },
  ]);
  assert.deepEqual(await asked.json(), { batch: [{}, { user_count: 1 }] });
  const error = await refusal(sdk(server).triggerBatch(Array(11).fill({ channel: 'news', name: 'n', data: '' })));
  assert.equal(error.status, 400);
}));

test('(71) npm’s SDK: get, post and a query string signed by it', withSubscribers(async ({ server, frames }) => {
  const api = sdk(server);
  const get = async (path, params = {}) => (await api.get({ path, params })).json();
  assert.deepEqual(await get('/channels'), { channels: { news: {}, [PRESENCE]: {} } });
  assert.deepEqual(await get('/channels', { filter_by_prefix: 'presence-room@1,', info: 'user_count' }), { channels: { [PRESENCE]: { user_count: 1 } } });
  assert.deepEqual(await get(`/channels/${PRESENCE}`, { info: 'user_count,subscription_count' }), { occupied: true, user_count: 1, subscription_count: 1 });
  assert.deepEqual(await get(`/channels/${PRESENCE}/users`), { users: [{ id: '7' }] });
  assert.deepEqual(await get('/channels/presence-none/users'), { users: [] });
  const posted = await api.post({ path: '/events', body: { name: 'n', channels: ['news'], data: '1' } });
  assert.equal(await posted.text(), '{}');
  await frames.next('n');
  const path = `/apps/${APP.id}/channels`;
  const query = api.createSignedQueryString({ method: 'GET', path, params: {} });
  assert.equal((await fetch(`${server.url}${path}?${query}`)).status, 200);
  assert.equal((await refusal(api.get({ path: '/channels', params: { info: 'user_count' } }))).status, 400);
}));

test('(71) npm’s SDK: users: signed in, told and terminated; forURL', withSubscribers(async ({ server, open }) => {
  const url = `http://${APP.key}:${APP.secret}@127.0.0.1:${server.port}/apps/${APP.id}`;
  const api = PusherServer.forURL(url);
  const frames = await open();
  const data = api.authenticateUser(frames.socketId, { id: 'u-1', user_info: { name: 'Zoë' } });
  frames.send({ event: 'pusher:signin', data });
  await frames.next('pusher:signin_success');
  assert.equal(await (await api.sendToUser('u-1', 'note', { n: 1 })).text(), '{}');
  assert.deepEqual(await frames.next('note'), { event: 'note', channel: '#server-to-user-u-1', data: '{"n":1}' });
  const member = { user_id: 'u-1', user_info: {} };
  for (const authorise of [api.authorizeChannel, api.authenticate]) {
    const { auth, channel_data: channelData } = authorise.call(api, frames.socketId, 'presence-q', member);
    await frames.subscribed('presence-q', { auth, channel_data: channelData });
  }
  const ended = await api.terminateUserConnections('u-1');
  assert.deepEqual([ended.status, await ended.text()], [200, '{}']);
  assert.equal((await closing(frames)).code, 4009);
}));

test('(71) npm’s SDK: a wrong secret, key or app is refused, and nothing is given away', withSubscribers(async ({ server }) => {
  const wrong = await refusal(sdk(server, { secret: 'guess' }).trigger('news', 'n', {}));
  assert.equal(wrong.status, 401);
  assert.match(wrong.body, /Authentication signature invalid/);
  assert.ok(!wrong.body.includes(APP.secret));
  assert.equal((await refusal(sdk(server, { key: 'other' }).trigger('news', 'n', {}))).status, 401);
  assert.equal((await refusal(sdk(server, { appId: '1' }).trigger('news', 'n', {}))).status, 404);
}));

test('(71) PyPI’s SDK: trigger, trigger_batch and send_to_user', withSubscribers(async ({ server, t, frames }) => {
  const { call } = await pythonSdk(t, server, { encryption_master_key_base64: MASTER_KEY });
  assert.deepEqual(await call('trigger', 'news', 'n', { name: 'Zoë' }), {});
  assert.deepEqual(JSON.parse((await frames.next('n')).data), { name: 'Zoë' });
  assert.deepEqual(await call('trigger', ['news', PRESENCE], 'm', 'text', '1.1'), {});
  for (const channel of ['news', PRESENCE]) assert.deepEqual(await frames.next('m'), { event: 'm', channel, data: 'text' });
  assert.deepEqual(await call('trigger', ['news'], 'unseen', {}, frames.socketId), {});
  const { auth, shared_secret: secret } = await call('authenticate', 'private-encrypted-vault', frames.socketId);
  assert.equal(Buffer.from(secret, 'base64').length, 32);
  await frames.subscribed('private-encrypted-vault', { auth });
  assert.deepEqual(await call('trigger', 'private-encrypted-vault', 'secret', { msg: 'hi' }), {});
  assert.deepEqual(Object.keys(JSON.parse((await frames.next('secret')).data)).sort(), ['ciphertext', 'nonce']);
  const batch = [{ channel: 'news', name: 'one', data: { n: 1 } }, { channel: 'news', name: 'two', data: 'x' }];
  assert.deepEqual(await call('trigger_batch', batch), {});
  assert.deepEqual([JSON.parse((await frames.next('one')).data), (await frames.next('two')).data], [{ n: 1 }, 'x']);
  assert.ok(!frames.inbox.all.some(({ event }) => event === 'unseen'));
  const tooMany = await refusal(call('trigger_batch', Array.from({ length: 11 }, () => ({ channel: 'news', name: 'n', data: 'x' }))));
  assert.equal(tooMany.raised, 'PusherBadRequest');
}));

test('(71) PyPI’s SDK: its questions, each signed with the digest of an empty body', withSubscribers(async ({ server, t }) => {
  const { call } = await pythonSdk(t, server);
  assert.deepEqual(await call('channels_info'), { channels: { news: {}, [PRESENCE]: {} } });
  assert.deepEqual(await call('channels_info', 'presence-', ['user_count', 'subscription_count']), {
    channels: { [PRESENCE]: { user_count: 1, subscription_count: 1 } },
  });
  assert.deepEqual(await call('channel_info', PRESENCE, ['user_count']), { occupied: true, user_count: 1 });
  assert.deepEqual(await call('channel_info', 'empty'), { occupied: false });
  assert.deepEqual(await call('users_info', PRESENCE), { users: [{ id: '7' }] });
  assert.equal((await refusal(call('channels_info', 'private-', ['user_count']))).raised, 'PusherBadRequest');
}));

test('(71) PyPI’s SDK: users: signed in, on presence channels, told and terminated', withSubscribers(async ({ server, t, open }) => {
  const { call } = await pythonSdk(t, server);
  const frames = await open();
  frames.send({ event: 'pusher:signin', data: await call('authenticate_user', frames.socketId, { id: 'u-1', user_info: { name: 'Zoë' } }) });
  await frames.next('pusher:signin_success');
  const answer = await call('authenticate', 'presence-q', frames.socketId, { user_id: 'u-1', user_info: { name: 'Zoë/é' } });
  const { data } = await frames.subscribed('presence-q', answer);
  assert.deepEqual(JSON.parse(data).presence.hash, { 'u-1': { name: 'Zoë/é' } });
  assert.deepEqual(await call('send_to_user', 'u-1', 'note', { n: 1 }), {});
  assert.deepEqual(JSON.parse((await frames.next('note')).data), { n: 1 });
  // It leaves the app out of the path.
  assert.deepEqual(await call('terminate_user_connections', 'u-1'), {});
  assert.equal((await closing(frames)).code, 4009);
}));

test('(71) PyPI’s SDK: a wrong secret or key is refused', withSubscribers(async ({ server, t }) => {
  for (const wrong of [{ secret: 'guess' }, { key: 'other' }]) {
    const { call } = await pythonSdk(t, server, wrong);
    for (const [method, ...given] of [['trigger', 'news', 'n', 'x'], ['channels_info'], ['terminate_user_connections', 'u-1']]) {
      const error = await refusal(call(method, ...given));
      assert.equal(error.raised, 'PusherBadAuth', method);
      assert.ok(!error.message.includes(APP.secret));
    }
  }
}));

test('(71) webhooks are believed by npm’s and PyPI’s SDKs, and not with a wrong secret or key', withHooks({}, async ({ server, t, hooks, open }) => {
  const frames = await open();
  await frames.subscribed('news');
  await joinedAs(frames, 'presence-p', { user_id: '7', user_info: { name: 'Zoë' } });
  await hooks.next('member_added');
  const python = await pythonSdk(t, server);
  const guesser = await pythonSdk(t, server, { secret: 'guess' });
  for (const { headers, body } of hooks.requests.all) {
    const webhook = sdk(server).webhook({ headers, rawBody: body });
    assert.deepEqual([webhook.isValid(), webhook.getEvents()], [true, JSON.parse(body).events]);
    const given = [headers['x-pusher-key'], headers['x-pusher-signature']];
    assert.deepEqual(await python.call('validate_webhook', ...given, body), JSON.parse(body));
    assert.equal(await guesser.call('validate_webhook', ...given, body), null);
    assert.equal(await python.call('validate_webhook', 'other', given[1], body), null);
    assert.equal(await python.call('validate_webhook', ...given, `${body} `), null);
  }
}));

// --- recorded requests

/** As Guzzle writes a query: sorted with the signature in its place, and everything but plain characters encoded. */
const guzzle = (query) => query.split('&').sort().map((pair) => {
  const [name, ...value] = pair.split('=');
  return `${encodeURIComponent(name)}=${encodeURIComponent(value.join('='))}`;
}).join('&');
/** As PHP's library before Guzzle wrote it: sorted, and not encoded at all. */
const curl = (query) => query.split('&').sort().join('&');

const PHP = { 'content-type': 'application/json', 'x-pusher-library': 'pusher-http-php 7.2.6' };
/** What PHP's json_encode makes of text. */
const php = (value) => JSON.stringify(value).replaceAll('/', '\\/').replace(/[^\0-\x7f]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
const ok = (answer, what) => assert.deepEqual([answer.status, answer.text], [200, '{}'], what);

for (const [library, wire, one] of [['7.2', guzzle, 'channel'], ['7.0', guzzle, 'channels'], ['4.0', curl, 'channels']]) {
  const headers = { ...PHP, 'x-pusher-library': `pusher-http-php ${library}` };

  test(`(71) recorded from PHP ${library}: trigger, in PHP’s JSON, to one channel and to many`, withSubscribers(async ({ server, frames }) => {
    const data = php({ message: { id: 1, body: 'hé/' } });
    assert.equal(data, '{"message":{"id":1,"body":"h\\u00e9\\/"}}');
    const event = { name: 'App\\Events\\MessageSent', data, [one]: one === 'channel' ? 'news' : ['news'] };
    ok(await signedPost(server, php({ ...event, socket_id: '123.456' }), { headers, wire }));
    assert.deepEqual(await frames.next(event.name), { event: event.name, channel: 'news', data }, 'to the byte');
    ok(await signedPost(server, php({ name: 'empty', data: '[]', channels: ['news', PRESENCE] }), { headers, wire }));
    for (const channel of ['news', PRESENCE]) assert.deepEqual(await frames.next('empty'), { event: 'empty', channel, data: '[]' });
    const many = Array.from({ length: 100 }, (_, n) => `private-App.Models.User.${n}`);
    ok(await signedPost(server, php({ name: 'many', data: '[]', channels: many }), { headers, wire }));
    const asked = await signedPost(server, php({ name: 'n', data: '[]', channels: ['news', PRESENCE], info: 'user_count' }), { headers, wire });
    assert.deepEqual(asked.json, { channels: { news: {}, [PRESENCE]: { user_count: 1 } } });
  }));

  test(`(71) recorded from PHP ${library}: batch, questions, a user’s events and terminating`, withSubscribers(async ({ server, open, frames }) => {
    const batch = [{ channel: 'news', name: 'one', data: '{"n":1}' }, { channel: 'news', name: 'two', data: '[]', socket_id: frames.socketId }];
    ok(await signedPost(server, php({ batch }), { path: `/apps/${APP.id}/batch_events`, headers, wire }));
    assert.equal((await frames.next('one')).data, '{"n":1}');
    const get = async (path, query) => (await ask(server, path, query, { headers, wire })).json;
    assert.deepEqual(await get('/channels', { filter_by_prefix: 'presence-room@1,', info: 'user_count,subscription_count' }), {
      channels: { [PRESENCE]: { user_count: 1, subscription_count: 1 } },
    });
    assert.deepEqual(await get(`/channels/${PRESENCE}`, { info: 'user_count,subscription_count' }), { occupied: true, user_count: 1, subscription_count: 1 });
    assert.deepEqual(await get(`/channels/${PRESENCE}/users`), { users: [{ id: '7' }] });
    assert.deepEqual(await get('/connections'), { connections: 1 });
    const user = await open();
    await joinedAs(user, 'presence-q', { user_id: '9' });
    const event = { name: 'note', data: '[]', [one]: one === 'channel' ? '#server-to-user-9' : ['#server-to-user-9'] };
    ok(await signedPost(server, php(event), { headers, wire }));
    ok(await signedPost(server, '{}', { path: `/apps/${APP.id}/users/9/terminate_connections`, headers, wire }));
    assert.equal((await closing(user)).code, 4009);
  }));
}

test('(71) recorded from PHP: a list in the query is signed joined with commas', withSubscribers(async ({ server }) => {
  const wire = (query) => query.replace('channels=a,b', 'channels%5B%5D=a&channels%5B%5D=b');
  assert.equal((await ask(server, '/channels', { channels: 'a,b' }, { wire })).status, 200);
  assert.equal((await ask(server, '/channels', { channels: 'a,c' }, { wire: (q) => wire(q.replace('a,c', 'a,b')) })).status, 401);
}));

test('(71) recorded from Ruby: parameters in another order, a content type on questions too', withSubscribers(async ({ server, frames }) => {
  const headers = { 'content-type': 'application/json', 'x-pusher-library': 'pusher-http-ruby 2.0.3' };
  const order = ['body_md5', 'info', 'filter_by_prefix', 'auth_version', 'auth_key', 'auth_timestamp', 'auth_signature'];
  const place = (pair) => order.indexOf(pair.split('=')[0]);
  const wire = (query) => query.split('&').sort((a, b) => place(a) - place(b)).join('&').replaceAll(',', '%2C').replaceAll('@', '%40');
  ok(await signedPost(server, JSON.stringify({ name: 'n', channels: ['news'], data: '{"a":"é/"}' }), { headers, wire }));
  assert.equal((await frames.next('n')).data, '{"a":"é/"}');
  const { json } = await ask(server, '/channels', { filter_by_prefix: 'presence-room@1,', info: 'user_count' }, { headers, wire });
  assert.deepEqual(json, { channels: { [PRESENCE]: { user_count: 1 } } });
  ok(await signedPost(server, '{}', { path: `/apps/${APP.id}/users/nobody/terminate_connections`, headers, wire }));
}));

test('(71) recorded from Go: a query that is not encoded, channels always a list', withSubscribers(async ({ server, frames }) => {
  const headers = { 'content-type': 'application/json', 'x-pusher-library': 'pusher-http-go 5.1.1' };
  const [wire, path] = [curl, `/apps/${APP.id}/batch_events`];
  ok(await signedPost(server, '{"name":"n","channels":["news"],"data":"{\\"a\\":\\"\\\\u003c\\"}"}', { headers, wire }));
  assert.equal((await frames.next('n')).data, '{"a":"\\u003c"}');
  ok(await signedPost(server, '{"batch":[{"channel":"news","name":"b","data":"1","socket_id":"1.1"}]}', { path, headers, wire }));
  await frames.next('b');
  const { json } = await ask(server, `/channels/${PRESENCE}`, { info: 'user_count,subscription_count' }, { headers, wire });
  assert.deepEqual(json, { occupied: true, user_count: 1, subscription_count: 1 });
  assert.deepEqual((await ask(server, `/channels/${PRESENCE}/users`, {}, { headers, wire })).json, { users: [{ id: '7' }] });
}));

test('(71) a request cut off in the middle is nobody’s publication', withSubscribers(async ({ server, frames }) => {
  const body = JSON.stringify({ name: 'half', channels: ['news'], data: 'x' });
  await assert.rejects(within('it is refused', signedRequest(server, 'POST', `/apps/${APP.id}/events`, {
    body,
    sent: body.slice(0, 10),
    headers: { 'content-length': String(body.length) },
  })));
  await frames.fence();
  assert.ok(!frames.inbox.all.some(({ event }) => event === 'half'));
}));
