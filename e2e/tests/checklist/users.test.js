// Items 57 to 63: signing in, what is sent to a user, whom it watches, and ending its connections.

import assert from 'node:assert/strict';
import test from 'node:test';

import { closing } from '../../lib/frames.js';
import { connectPusher } from '../../lib/pusherClient.js';
import { APP, asChinwag, ask, asReverb, sdk, signChannel, signedPost, signUser, trigger } from '../../lib/reverb.js';
import { count, joinedAs, refused, withSockets } from '../../lib/sockets.js';
import { Inbox, until } from '../../lib/wait.js';

const OTHER_APP = { id: 'other', key: 'other-key', secret: 'other-secret' };

const signIn = (frames, data, auth = signUser(frames.socketId, data)) =>
  frames.send({ event: 'pusher:signin', data: { auth, user_data: data } });

/** Signs in as the application would allow it; `user` is an object or its text. */
async function signedIn(frames, user) {
  const data = typeof user === 'string' ? user : JSON.stringify(user);
  signIn(frames, data);
  const answer = await frames.next('pusher:signin_success');
  assert.deepEqual(answer.data, { user_data: data });
}

const terminate = (server, user) => signedPost(server, '{}', { path: `/apps/${APP.id}/users/${user}/terminate_connections` });

/** pusher-js that signs in as this user, with the signature that the stock SDK makes. */
async function stockSignedIn(t, server, user) {
  const customHandler = ({ socketId }, done) => done(null, sdk(server).authenticateUser(socketId, user));
  const pusher = await connectPusher(t, server, { userAuthentication: { customHandler } });
  const inbox = new Inbox();
  pusher.user.bind_global((event, data) => inbox.push({ event, data }));
  pusher.signin();
  await until(`${user.id} is signed in`, () => pusher.user.user_data?.id === user.id);
  await until('its channel is there', () => pusher.user.serverToUserChannel?.subscribed);
  return { pusher, inbox };
}

// The signatures of these vectors are for socket ids of their own; crates/protocol checks them. Here the same data are
// signed for a real socket, and must come back to the byte.
for (const [name, data] of Object.entries({
  U1: '{"id":"12345"}',
  U2: '{"id":"u-1","user_info":{"name":"Ada"},"watchlist":["u-2","u-3"]}',
  U3: '{"id":"u_9","user_info":{"name":"Zoë"}}',
  U4: '{"id":"u_9","user_info":{"name":"Zo\\u00eb"}}',
})) {
  test(`(57) ${name}: the data signed are those that come back, as an object with a text in it`, withSockets({}, async ({ open }) => {
    await signedIn(await open(), data);
  }));
}

test('(57) other signatures and other data are refused with 4009, and the connection stays', withSockets({}, async ({ open }) => {
  const frames = await open();
  const data = '{"id":"12345"}';
  const good = signUser(frames.socketId, data);
  for (const [what, auth, given] of [
    ['no signature', '', data],
    ['no key', good.split(':')[1], data],
    ['another key', good.replace(APP.key, 'nobody'), data],
    ['another socket', signUser('1.1', data), data],
    ['other data', good, '{"id":"12346"}'],
    ['data spelt otherwise', good, '{"id": "12345"}'],
    ['the signature of a channel', signChannel(frames.socketId, ':user', data), data],
    ...['{"id":12345}', '{"id":""}', '{"id":null}', '{}', '[]', 'x', '{"id":"a b"}'].map((bad) => [bad, signUser(frames.socketId, bad), bad]),
  ]) {
    signIn(frames, given, auth);
    assert.deepEqual((await frames.next('pusher:error')).data, { code: 4009, message: 'Connection not authorized for signin.' }, what);
  }
  await frames.fence();
  assert.equal(count(frames, 'pusher:signin_success'), 0);
  await signedIn(frames, data);
}));

test('(58) signing in twice as the same user is confirmed, as another refused, and the first stays', withSockets({}, async ({ server, open }) => {
  const frames = await open();
  await signedIn(frames, { id: 'ada' });
  await signedIn(frames, { id: 'ada' });
  const bob = '{"id":"bob"}';
  signIn(frames, bob);
  assert.deepEqual((await frames.next('pusher:error')).data, { code: 4009, message: 'Connection is already signed in as another user' });
  await sdk(server).sendToUser('bob', 'wrong', {});
  await sdk(server).sendToUser('ada', 'right', {});
  await frames.next('right');
  assert.equal(count(frames, 'wrong'), 0);
}));

test('(59) what is sent to a user reaches each of its sockets once and nobody else', withSockets({ CHINWAG_WORKERS: '3' }, async ({ server, open }) => {
  const [one, two, three, other, nobody] = await Promise.all(Array.from({ length: 5 }, () => open()));
  for (const frames of [one, two, three]) await signedIn(frames, { id: 'u-1' });
  await signedIn(other, { id: 'u-2' });
  // Whether the client subscribes to its channel, as pusher-js does, or not.
  assert.equal((await one.subscribed('#server-to-user-u-1', { auth: '' })).data, '{}');
  await sdk(server).sendToUser('u-1', 'note', { n: 1 });
  for (const frames of [one, two, three]) {
    assert.deepEqual(await frames.next('note'), { event: 'note', channel: '#server-to-user-u-1', data: '{"n":1}' });
  }
  await sdk(server).sendToUser('u-2', 'end', {});
  await other.next('end');
  for (const frames of [one, two, three, other, nobody]) await frames.fence();
  assert.deepEqual([one, two, three, other, nobody].map((frames) => count(frames, 'note')), [1, 1, 1, 0, 0]);
  assert.deepEqual((await ask(server, '/channels')).json, { channels: {} }, 'such channels are not listed');
}));

test('(59) pusher-js: all windows of a user get it, and another user does not', withSockets(asReverb(), async ({ server, t }) => {
  const [one, two, other] = await Promise.all(['u-1', 'u-1', 'u-2'].map((id) => stockSignedIn(t, server, { id })));
  await sdk(server).sendToUser('u-2', 'end', {});
  await sdk(server).sendToUser('u-1', 'note', { n: 1 });
  await sdk(server).sendToUser('u-1', 'end', {});
  for (const { inbox } of [one, two]) {
    await inbox.take('the end', ({ event }) => event === 'end');
    assert.deepEqual(inbox.all.filter(({ event }) => event === 'note'), [{ event: 'note', data: { n: 1 } }]);
  }
  await other.inbox.take('the end', ({ event }) => event === 'end');
  assert.equal(other.inbox.all.filter(({ event }) => event === 'note').length, 0);
}));

test('(60) a stranger cannot subscribe to a user’s channel, whatever it presents', withSockets({}, async ({ server, open }) => {
  const [stranger, other] = [await open(), await open()];
  await signedIn(other, { id: 'u-2' });
  for (const frames of [stranger, other]) {
    for (const auth of ['', signChannel(frames.socketId, '#server-to-user-u-1')]) {
      frames.subscribe('#server-to-user-u-1', { auth });
      const refusal = await refused(frames);
      assert.deepEqual([refusal.code, refusal.status, refusal.channel], [4009, 401, '#server-to-user-u-1']);
    }
  }
  await sdk(server).sendToUser('u-1', 'note', {});
  for (const frames of [stranger, other]) {
    await frames.fence();
    assert.equal(count(frames, 'note'), 0);
  }
}));

const WATCHING = { CHINWAG_APP_WATCHLIST_EVENTS: 'true' };
const watched = async (frames) => JSON.parse((await frames.next('pusher_internal:watchlist_events')).data).events;

test('(61) a watchlist tells who is online and who is not, then who comes and goes', withSockets(WATCHING, async ({ open }) => {
  const [bob, ada] = [await open(), await open()];
  await signedIn(bob, { id: 'bob' });
  await signedIn(ada, { id: 'ada', watchlist: ['bob', 'cleo'] });
  assert.deepEqual(await watched(ada), [{ name: 'online', user_ids: ['bob'] }, { name: 'offline', user_ids: ['cleo'] }]);
  const cleo = await open();
  await signedIn(cleo, { id: 'cleo' });
  assert.deepEqual(await watched(ada), [{ name: 'online', user_ids: ['cleo'] }]);
  // With a second window open, one that closes is nothing to tell.
  await signedIn(await open(), { id: 'cleo' });
  cleo.close();
  bob.close();
  assert.deepEqual(await watched(ada), [{ name: 'offline', user_ids: ['bob'] }]);
}));

test('(61) of more than a hundred the first hundred are watched, and 4302 says which', withSockets(WATCHING, async ({ open }) => {
  const frames = await open();
  const watchlist = Array.from({ length: 101 }, (_, n) => `w-${n}`);
  await signedIn(frames, { id: 'ada', watchlist });
  const { data } = await frames.next('pusher:error');
  assert.equal(data.code, 4302);
  assert.ok(data.message.includes('w-99') && !data.message.includes('w-100'));
  assert.deepEqual(await watched(frames), [{ name: 'offline', user_ids: watchlist.slice(0, 100) }]);
}));

test('(61) pusher-js hears it as online and offline', withSockets(asReverb(WATCHING), async ({ server, t }) => {
  const { pusher } = await stockSignedIn(t, server, { id: 'ada', watchlist: ['bob'] });
  const seen = new Inbox();
  for (const name of ['online', 'offline']) {
    pusher.user.watchlist.bind(name, ({ user_ids: ids }) => seen.push({ name, ids }));
  }
  const bob = await stockSignedIn(t, server, { id: 'bob' });
  assert.deepEqual((await seen.take('bob comes', ({ name }) => name === 'online')).ids, ['bob']);
  bob.pusher.disconnect();
  assert.deepEqual((await seen.take('bob goes', ({ name }) => name === 'offline')).ids, ['bob']);
}));

test('(61) where nobody asked for watchlists nothing is told', withSockets({}, async ({ open }) => {
  const frames = await open();
  await signedIn(frames, { id: 'ada', watchlist: ['bob'] });
  await signedIn(await open(), { id: 'bob' });
  await frames.fence();
  assert.equal(count(frames, 'pusher_internal:watchlist_events'), 0);
}));

test('(62) terminating ends every connection of the user, signed in or present, with 4009, and no other', withSockets({ CHINWAG_WORKERS: '3' }, async ({ server, open }) => {
  const [one, two, present, other, guest] = await Promise.all(Array.from({ length: 5 }, () => open()));
  for (const frames of [one, two]) await signedIn(frames, { id: 'u-1' });
  await joinedAs(present, 'presence-p', { user_id: 'u-1' });
  await signedIn(other, { id: 'u-2' });
  assert.deepEqual((await terminate(server, 'nobody')).text, '{}');
  const answer = await terminate(server, 'u-1');
  assert.deepEqual([answer.status, answer.text], [200, '{}']);
  for (const frames of [one, two, present]) {
    assert.equal((await closing(frames)).code, 4009);
    assert.deepEqual(frames.inbox.all.at(-1), { event: 'pusher:error', data: { code: 4009, message: 'You got disconnected by the app.' } });
  }
  for (const frames of [other, guest]) await frames.fence();
}));

test('(62) a user of another app with the same id is somebody else', withSockets(() => asChinwag(), async ({ server, open }) => {
  const [ours, theirs] = [await open(), await open({ key: OTHER_APP.key })];
  await signedIn(ours, { id: 'u-1' });
  const data = '{"id":"u-1"}';
  signIn(theirs, data, signUser(theirs.socketId, data, OTHER_APP));
  await theirs.next('pusher:signin_success');
  const publisher = sdk(server, { appId: OTHER_APP.id, ...OTHER_APP });
  await publisher.sendToUser('u-1', 'theirs', {});
  await theirs.next('theirs');
  await sdk(server).sendToUser('u-1', 'ours', {});
  await ours.next('ours');
  await terminate(server, 'u-1');
  assert.equal((await closing(ours)).code, 4009);
  await theirs.fence();
  assert.deepEqual([count(ours, 'theirs'), count(theirs, 'ours')], [0, 0]);
}, { settings: `[[apps]]\nid = "${OTHER_APP.id}"\nkey = "${OTHER_APP.key}"\nsecret = "${OTHER_APP.secret}"\n` }));

test('(62) where presence does not count, only who is signed in is ended', withSockets(
  { CHINWAG_APP_TERMINATE_MATCHES_PRESENCE: 'false' },
  async ({ server, open }) => {
    const [signed, present] = [await open(), await open()];
    await signedIn(signed, { id: 'u-1' });
    await joinedAs(present, 'presence-p', { user_id: 'u-1' });
    await terminate(server, 'u-1');
    assert.equal((await closing(signed)).code, 4009);
    await present.fence();
  },
));

test('(62) pusher-js of a user that is terminated stays away', withSockets(asReverb(), async ({ server, t }) => {
  const [gone, stays] = await Promise.all(['u-1', 'u-2'].map((id) => stockSignedIn(t, server, { id })));
  const response = await sdk(server).terminateUserConnections('u-1');
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
  await until('it is disconnected', () => gone.pusher.connection.state === 'disconnected');
  assert.equal(stays.pusher.connection.state, 'connected');
}));

test('(62) who neither signs in nor joins a guarded channel in time is ended with 4009', withSockets(
  { CHINWAG_APP_USER_AUTHENTICATION_TIMEOUT_S: '1' },
  async ({ open }) => {
    const [idle, open_, signed, joined] = await Promise.all(Array.from({ length: 4 }, () => open()));
    await open_.subscribed('public');
    await signedIn(signed, { id: 'ada' });
    await joinedAs(joined, 'presence-p', { user_id: 'bob' });
    for (const frames of [idle, open_]) assert.equal((await closing(frames)).code, 4009);
    for (const frames of [signed, joined]) await frames.fence();
  },
));

test('(63) who is signed in may join a presence channel without channel_data, as that user', withSockets({}, async ({ server, open }) => {
  const [watcher, frames, nobody] = [await open(), await open(), await open()];
  await joinedAs(watcher, 'presence-p', { user_id: 'w' });
  await signedIn(frames, { id: 'ada', user_info: { name: 'Ada' } });
  const { data } = await frames.subscribed('presence-p', { auth: signChannel(frames.socketId, 'presence-p') });
  assert.deepEqual(JSON.parse(data).presence.hash, { w: {}, ada: { name: 'Ada' } });
  assert.equal((await watcher.next('pusher_internal:member_added')).data, '{"user_id":"ada","user_info":{"name":"Ada"}}');
  nobody.subscribe('presence-p', { auth: signChannel(nobody.socketId, 'presence-p') });
  assert.equal((await refused(nobody)).code, 4009, 'who is not signed in may not');
  // Given, the channel_data win.
  const { ids } = await joinedAs(frames, 'presence-q', { user_id: 'other' });
  assert.deepEqual(ids, ['other']);
  assert.equal((await trigger(server, { name: 'n', channel: 'presence-p', data: '1' })).status, 200);
  await frames.next('n');
}));
