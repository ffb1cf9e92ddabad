// Attempts to get in without the right, at every door: each is refused, and right beside it stands what is let in.
// The machine behind the sockets is tried with more of them in crates/protocol/tests/authorisation.rs.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

import { openFrames } from '../lib/frames.js';
import { PASSWORD, register } from '../lib/people.js';
import { APP, asChinwag, hmac, signChannel, signedRequest, signUser } from '../lib/reverb.js';
import { binary, withServer } from '../lib/server.js';

const OTHER = { id: 'other', key: 'other-key', secret: 'other-secret' };
const SETTINGS = `
[[apps]]
id = "${OTHER.id}"
key = "${OTHER.key}"
secret = "${OTHER.secret}"
`;
const DAY_S = 86_400;
const withoutLimits = asChinwag({ CHINWAG_RATE_LIMITS: 'false', CHINWAG_APP_ID: APP.id });

/** Whether a socket gets in with this frame. Everything the server says up to the next pong counts. */
async function getsIn(frames, event, data) {
  const before = frames.inbox.all.length;
  frames.send({ event, data });
  await frames.fence();
  const said = frames.inbox.all.slice(before).map((frame) => frame.event);
  const inside = said.some((name) => /subscription_succeeded|signin_success/.test(name));
  assert.equal(said.includes('pusher:error'), !inside, `either in or refused: ${said}`);
  return inside;
}

/** Checks a table `[what, wanted, attempt]` to its end, and tells everything that was wrong with it. */
async function check(table) {
  const wrong = [];
  for (const [what, wanted, attempt] of table) {
    const got = await attempt();
    if (got !== wanted) wrong.push(`${what}: ${wanted ? 'refused' : 'LET IN'} (${got})`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(table.some(([, wanted]) => wanted === true || wanted === 200), 'the door opens at all');
}

test('subscribing: wrong keys, secrets, sockets, channels, forms and prefixes are refused', withServer(withoutLimits, async (server, t) => {
  const rows = [];
  const kinds = ['private-x', 'private-encrypted-x', 'private-cache-x', 'private-encrypted-cache-x', 'presence-x', 'presence-cache-x'];
  for (const channel of kinds) {
    const frames = await openFrames(server);
    t.after(() => frames.close());
    const member = channel.startsWith('presence') ? '{"user_id":"7"}' : undefined;
    const attempt = (auth, name = channel, data = member) => () =>
      getsIn(frames, 'pusher:subscribe', { channel: name, auth, channel_data: data });
    const sign = (socket, name, keys, data = member) => signChannel(socket, name, data, keys);
    const { socketId } = frames;
    const good = sign(socketId, channel);
    const signature = good.split(':')[1];
    const bare = channel.replace(/^(private|presence)-(encrypted-)?(cache-)?/, '');
    const add = (what, ...given) => rows.push([`${channel}: ${what}`, false, attempt(...given)]);
    add('nothing', undefined);
    add('an empty text', '');
    add('only the key', `${APP.key}:`);
    add('only the signature', signature);
    add('an empty key', `:${signature}`);
    add('a key of nobody', `nobody:${signature}`);
    add('the key of another app', `${OTHER.key}:${signature}`);
    add('another app altogether', sign(socketId, channel, OTHER));
    add('another app’s secret', sign(socketId, channel, { key: APP.key, secret: OTHER.secret }));
    add('the empty secret', sign(socketId, channel, { key: APP.key, secret: '' }));
    add('the key as the secret', sign(socketId, channel, { key: APP.key, secret: APP.key }));
    add('a cut signature', good.slice(0, -2));
    add('zeros', `${APP.key}:${'0'.repeat(64)}`);
    add('two keys', `${APP.key}:${good}`);
    add('another socket', sign('1.1', channel));
    add('a socket that begins alike', sign(`${socketId}1`, channel));
    add('another channel', sign(socketId, `${channel}y`));
    add('the name without its prefix', sign(socketId, bare));
    add('the signature of a sign-in', signUser(socketId, channel));
    add('the other form', member ? sign(socketId, channel, APP, null) : sign(socketId, channel, APP, '{"user_id":"7"}'));
    add('other channel data', good, channel, '{"user_id":"8"}');
    for (const name of kinds.filter((kind) => kind !== channel)) add(`its signature for ${name}`, good, name);
    add('a space in front of the name', good, ` ${channel}`);
    add('the name with a # in front', good, `#${channel}`);
    rows.push([`${channel}: the right one`, true, attempt(good)]);
  }
  const frames = await openFrames(server);
  t.after(() => frames.close());
  const own = '#server-to-user-7';
  for (const auth of ['', signChannel(frames.socketId, own)]) {
    rows.push([own, false, () => getsIn(frames, 'pusher:subscribe', { channel: own, auth })]);
  }
  await check(rows);
}, { settings: SETTINGS }));

test('signing in: wrong keys, secrets, sockets, data and kinds of signature are refused', withServer(withoutLimits, async (server, t) => {
  const frames = await openFrames(server);
  t.after(() => frames.close());
  const data = '{"id":"7"}';
  const { socketId } = frames;
  const good = signUser(socketId, data);
  const attempt = (auth, given = data) => () => getsIn(frames, 'pusher:signin', { auth, user_data: given });
  const signature = good.split(':')[1];
  await check([
    ['nothing', false, attempt('')],
    ['no key', false, attempt(signature)],
    ['a key of nobody', false, attempt(`nobody:${signature}`)],
    ['another app', false, attempt(signUser(socketId, data, OTHER))],
    ['another app’s secret', false, attempt(signUser(socketId, data, { ...OTHER, key: APP.key }))],
    ['the empty secret', false, attempt(signUser(socketId, data, { key: APP.key, secret: '' }))],
    ['another socket', false, attempt(signUser('1.1', data))],
    ['another user', false, attempt(good, '{"id":"8"}')],
    ['the same user spelt otherwise', false, attempt(good, '{"id": "7"}')],
    ['the signature of a channel', false, attempt(signChannel(socketId, 'private-user', data))],
    ['the signature of a user’s channel', false, attempt(signChannel(socketId, '#server-to-user-7'))],
    ['a number as id', false, attempt(signUser(socketId, '{"id":7}'), '{"id":7}')],
    ['the right one', true, attempt(good)],
  ]);
}, { settings: SETTINGS }));

test('the HTTP API: wrong keys, secrets, times, bodies, paths and methods are refused', withServer(withoutLimits, async (server) => {
  const base = `/apps/${APP.id}`;
  const body = '{"name":"n","channels":["c"],"data":"1"}';
  const changed = body.replace('"1"', '"2"');
  const status = (method, path, change) => async () => (await signedRequest(server, method, path, change)).status;
  const rows = [];
  for (const [method, path, given] of [
    ['POST', '/events', body],
    ['POST', '/batch_events', '{"batch":[{"name":"n","channel":"c","data":"1"}]}'],
    ['POST', '/users/7/terminate_connections', '{}'],
    ['GET', '/channels', ''],
    ['GET', '/channels/c', ''],
    ['GET', '/channels/presence-c/users', ''],
    ['GET', '/connections', ''],
  ]) {
    const add = (what, change, wanted = 401) =>
      rows.push([`${method} ${path}: ${what}`, wanted, status(method, base + path, { body: given, ...change })]);
    add('a key of nobody', { key: 'nobody' });
    add('another app', OTHER);
    add('another app’s secret', { secret: OTHER.secret });
    add('the empty secret', { secret: '' });
    add('an empty key', { key: '', secret: '' });
    add('no signature', { signature: '' });
    add('zeros', { signature: '0'.repeat(64) });
    add('yesterday', { now: Date.now() - DAY_S * 1_000 });
    add('tomorrow', { now: Date.now() + DAY_S * 1_000 });
    add('a time that is none', { query: { auth_timestamp: 'now' } });
    add('no time', { query: { auth_timestamp: undefined } });
    add('no key', { query: { auth_key: undefined } });
    add('no version', { query: { auth_version: undefined } });
    add('another version', { query: { auth_version: '2.0' } });
    add('the digest of another body', { query: { body_md5: createHash('md5').update('x').digest('hex') } });
    add('signed for another path', { signedPath: `${base}/other` });
    add('signed for another app', { signedPath: `/apps/${OTHER.id}${path}` });
    add('a parameter added to what was signed', { wire: (query) => `${query}&info=subscription_count` });
    add('a key given twice', { wire: (query) => `${query}&auth_key=${APP.key}` }, 400);
    if (given) {
      add('a body that was changed', { sent: changed });
      add('a body that is not signed', { query: { body_md5: undefined } });
    }
    add('the right one', {}, 200);
    rows.push([`${method} ${path}: at another app’s`, 401, status(method, `/apps/${OTHER.id}${path}`, { body: given })]);
    rows.push([`${method} ${path}: at the messenger’s`, true, async () => [401, 404].includes(await status(method, `/apps/messenger${path}`, { body: given })())]);
  }
  const alias = '/users/7/terminate_connections';
  rows.push(
    [`${alias}: a key of nobody`, 401, status('POST', alias, { body: '{}', key: 'nobody' })],
    [`${alias}: another secret`, 401, status('POST', alias, { body: '{}', secret: OTHER.secret })],
    [`${alias}: signed for the app’s path`, 401, status('POST', alias, { body: '{}', signedPath: base + alias })],
    [`${alias}: the right one`, 200, status('POST', alias, { body: '{}' })],
  );
  await check(rows);
}, { settings: SETTINGS }));

test('an app without a secret is refused before anything starts', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chinwag-e2e-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const config = join(folder, 'chinwag.toml');
  for (const text of [
    '[[apps]]\nid = "a"\nkey = "k"\nsecret = ""\n',
    '[[apps]]\nid = "a"\nkey = "k"\n',
    '[[apps]]\nid = "a"\nkey = "k"\nsecret = "s"\nmore_keys = [{ key = "l", secret = "" }]\n',
    '[app]\nkey = "k"\n',
  ]) {
    await writeFile(config, text);
    const outcome = await new Promise((resolve) => {
      const env = { PATH: process.env.PATH, CHINWAG_CONFIG: config };
      execFile(binary(), ['check'], { cwd: folder, env }, (error, _, stderr) => resolve({ code: error?.code ?? 0, stderr }));
    });
    assert.equal(outcome.code, 1, text);
    assert.match(outcome.stderr, /secret/);
  }
});

/** Two people, and somebody whose token is no longer good; calls with the token given. */
const withPeople = (body) => withServer(withoutLimits, async (server, t) => {
  const [ada, bob] = [await register(server, 'ada', 'Ada Lovelace'), await register(server, 'bob', 'Bob Weaver')];
  const call = async (method, path, token, form) => {
    const headers = token === undefined ? {} : { authorization: token.includes(' ') ? token : `Bearer ${token}` };
    const sent = form && new URLSearchParams(form);
    const response = await fetch(server.url + path, { method, headers, body: sent, redirect: 'manual' });
    const text = await response.text();
    return { status: response.status, text, json: text.startsWith('{') ? JSON.parse(text) : null };
  };
  const issue = async (username) => {
    const wish = { email: username, password: PASSWORD, device_name: 'phone' };
    return (await call('POST', '/sanctum/token', undefined, wish)).text;
  };
  await body({ server, t, ada, bob, call, issue });
});

test('bearer tokens: guessed, cut, swapped, hashed and ended ones are nobody’s', withPeople(async ({ ada, bob, call, issue }) => {
  const [token, other] = [await issue('ada'), await issue('bob')];
  const [id, secret] = token.split('|');
  const [otherId, otherSecret] = other.split('|');
  assert.match(token, /^\d+\|[A-Za-z0-9]{40,}$/);
  const ended = await issue('ada');
  assert.equal((await call('POST', '/logout', ended)).status, 204);
  const hash = createHash('sha256').update(secret).digest('hex');
  const bad = {
    'an empty one': ' ',
    'no number': secret,
    'only the number': `${id}|`,
    'the number of another': `${otherId}|${secret}`,
    'the secret of another': `${id}|${otherSecret}`,
    'a number that is none': `x|${secret}`,
    'a negative number': `-${id}|${secret}`,
    'a number with a sign': `+${id}|${secret}`,
    'a cut secret': token.slice(0, -1),
    'a longer secret': `${token}a`,
    'other capitals': `${id}|${secret.toUpperCase()}`,
    'its hash': `${id}|${hash}`,
    'its hash alone': hash,
    'two bars': `${id}||${secret}`,
    'the star': `${id}|*`,
    'another scheme': `Basic ${Buffer.from(token).toString('base64')}`,
    'one that was logged out': ended,
  };
  const rows = [];
  const paths = [['GET', '/api/user'], ['GET', '/api/v1/me'], ['POST', '/broadcasting/auth'], ['POST', '/api/broadcasting/auth'],
    ['POST', '/api/v1/realtime/auth']];
  for (const [method, path] of paths) {
    const form = method === 'POST' ? { socket_id: '1.1', channel_name: `private-user.${ada.id}` } : undefined;
    for (const [what, given] of Object.entries(bad)) rows.push([`${path}: ${what}`, 401, async () => (await call(method, path, given, form)).status]);
    rows.push([`${path}: none at all`, 401, async () => (await call(method, path, undefined, form)).status]);
    rows.push([`${path}: the right one`, 200, async () => (await call(method, path, token, form)).status]);
  }
  await check(rows);
  assert.equal((await call('GET', '/api/user', token)).json.id, ada.id);
  assert.equal((await call('GET', '/api/user', other)).json.id, bob.id);
}));

test('/broadcasting/auth and realtime/auth sign for one’s own channels only, whatever the spelling', withPeople(async ({ ada, bob, call }) => {
  const eve = await register(ada.server, 'eve', 'Eve');
  const { id } = await ada.direct(bob);
  const sign = (path, person, channel, socket = '1.1') => async () =>
    (await call('POST', path, person.token, { socket_id: socket, channel_name: channel })).status;
  const rows = [];
  const refusedChannels = [
    `private-user.${ada.id}`, `private-user.0${ada.id}`, `private-user.${ada.id}.${eve.id}`, `private-user.${eve.id}.${ada.id}`,
    `private-user.${ada.id},${eve.id}`, `private-App.Models.User.${ada.id}`, `private-App.User.${ada.id}`, `private-users.${ada.id}`,
    `private-encrypted-user.${ada.id}`, `private-cache-user.${ada.id}`, `private-private-user.${eve.id}`, `presence-private-user.${eve.id}`,
    `presence-user.${eve.id}`, `Private-user.${eve.id}`, ` private-user.${ada.id}`, `private-user.${ada.id} `, `private-user.+${eve.id}`,
    `private-user.-${eve.id}`, `private-user.*`, `private-user.{id}`, 'private-user.', 'private-', 'private-lobby', 'lobby', '',
    `user.${eve.id}`, `#server-to-user-${eve.id}`, `#private-user.${eve.id}`, `presence-conversation.${id}`, `private-conversation.${id}`,
    `presence-chat.${id}`, `private-chat.${id}`, `presence-room.${id}`, `private-encrypted-chat.${id}`, `private-App.Models.Conversation.${id}`,
    `presence-conversation.${id}:x`, `private-user.${eve.id}:presence-conversation.${id}`, 'private-websockets-dashboard-api-message',
    'private-admin.log', 'private-log', `private-user.${'9'.repeat(30)}`, `private-user.${ada.id}\n`,
    // What would be signed is what a sign-in signs.
    `:user::{"id":"${ada.id}"}`, `:user::{"id":"${eve.id}"}`,
  ];
  for (const path of ['/broadcasting/auth', '/api/broadcasting/auth', '/api/v1/realtime/auth']) {
    for (const channel of refusedChannels) {
      rows.push([`${path}: ${channel}`, true, async () => [403, 422].includes(await sign(path, eve, channel)())]);
    }
    for (const socket of ['', '1', '1.2.3', 'a.b', '-1.2', `1.1:private-user.${ada.id}`, '1.1::user::']) {
      rows.push([`${path}: socket ${socket}`, 422, sign(path, eve, `private-user.${eve.id}`, socket)]);
    }
    rows.push([`${path}: one’s own`, 200, sign(path, eve, `private-user.${eve.id}`)]);
    rows.push([`${path}: a member’s`, 200, sign(path, bob, `presence-conversation.${id}`)]);
  }
  await check(rows);
}));

test('what the messenger signed for one socket and channel opens no other', withPeople(async ({ server, t, ada, bob, call }) => {
  const { key } = await ada.get('/realtime/config');
  const [one, two] = [await openFrames(server, { key }), await openFrames(server, { key })];
  const elsewhere = await openFrames(server);
  for (const frames of [one, two, elsewhere]) t.after(() => frames.close());
  const channel = `private-user.${ada.id}`;
  const rows = [];
  for (const path of ['/broadcasting/auth', '/api/v1/realtime/auth']) {
    const { auth } = (await call('POST', path, ada.token, { socket_id: one.socketId, channel_name: channel })).json;
    const attempt = (frames, given, name = channel) => () => getsIn(frames, 'pusher:subscribe', { channel: name, auth: given });
    rows.push(
      [`${path}: by another socket`, false, attempt(two, auth)],
      [`${path}: at another app`, false, attempt(elsewhere, auth)],
      [`${path}: with the key of another app`, false, attempt(elsewhere, auth.replace(key, APP.key))],
      [`${path}: for somebody else`, false, attempt(one, auth, `private-user.${bob.id}`)],
      [`${path}: as an encrypted channel`, false, attempt(one, auth, `private-encrypted-user.${ada.id}`)],
      [`${path}: signed with an application’s secret`, false, attempt(one, signChannel(one.socketId, channel, undefined, { key, secret: APP.secret }))],
      [`${path}: as a sign-in`, false, () => getsIn(one, 'pusher:signin', { auth, user_data: `{"id":"${ada.id}"}` })],
      [`${path}: by its own socket`, true, attempt(one, auth)],
    );
  }
  const signIn = (await call('POST', '/broadcasting/user-auth', bob.token, { socket_id: two.socketId })).json;
  rows.push(
    ['a sign-in by another socket', false, () => getsIn(one, 'pusher:signin', signIn)],
    ['a sign-in as somebody else', false, () => getsIn(two, 'pusher:signin', { ...signIn, user_data: signIn.user_data.replace(`"${bob.id}"`, `"${ada.id}"`) })],
    ['a sign-in by its own socket', true, () => getsIn(two, 'pusher:signin', signIn)],
    ['a signature of no use for publishing', true, async () => {
      const path = '/apps/messenger/events';
      const guess = hmac(`POST\n${path}\n`, APP.secret);
      return [401, 404].includes((await signedRequest(server, 'POST', path, { key, body: '{}', signature: guess })).status);
    }],
  );
  await check(rows);
}));
