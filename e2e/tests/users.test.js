// Users, cache channels and the HTTP API, as the stock client and the stock server SDK use them.

import assert from 'node:assert/strict';
import test from 'node:test';

import { connectPusher, join } from '../lib/pusherClient.js';
import { asReverb, sdk } from '../lib/reverb.js';
import { withServer } from '../lib/server.js';
import { Inbox, until } from '../lib/wait.js';

/** pusher-js that signs in as this user, with the signature that the stock SDK makes. */
async function signedIn(t, server, user) {
  const customHandler = ({ socketId }, done) => done(null, sdk(server).authenticateUser(socketId, user));
  const pusher = await connectPusher(t, server, { userAuthentication: { customHandler } });
  const inbox = new Inbox();
  pusher.user.bind_global((event, data) => inbox.push({ event, data }));
  pusher.signin();
  await until(`${user.id} is signed in`, () => pusher.user.user_data?.id === user.id);
  await until('its channel is there', () => pusher.user.serverToUserChannel?.subscribed);
  return { pusher, inbox };
}

test('what is sent to a user reaches all its windows and nobody else', withServer(asReverb(), async (server, t) => {
  const [one, two, other] = await Promise.all(['u-1', 'u-1', 'u-2'].map((id) => signedIn(t, server, { id })));
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

test('a user that is terminated stays away', withServer(asReverb(), async (server, t) => {
  const [gone, stays] = await Promise.all(['u-1', 'u-2'].map((id) => signedIn(t, server, { id })));
  const response = await sdk(server).terminateUserConnections('u-1');
  assert.deepEqual([response.status, await response.text()], [200, '{}']);
  await until('it is disconnected', () => gone.pusher.connection.state === 'disconnected');
  assert.equal(stays.pusher.connection.state, 'connected');
}));

test('a watched user comes and goes', withServer(asReverb({ CHINWAG_APP_WATCHLIST_EVENTS: 'true' }), async (server, t) => {
  const { pusher } = await signedIn(t, server, { id: 'ada', watchlist: ['bob'] });
  const seen = new Inbox();
  for (const name of ['online', 'offline']) {
    pusher.user.watchlist.bind(name, ({ user_ids: ids }) => seen.push({ name, ids }));
  }
  const bob = await signedIn(t, server, { id: 'bob' });
  assert.deepEqual((await seen.take('bob comes', ({ name }) => name === 'online')).ids, ['bob']);
  bob.pusher.disconnect();
  assert.deepEqual((await seen.take('bob goes', ({ name }) => name === 'offline')).ids, ['bob']);
}));

test('a cache channel tells newcomers the last event, or that there is none', withServer(asReverb(), async (server, t) => {
  const pusher = await connectPusher(t, server);
  const empty = await join(pusher, 'cache-empty');
  await empty.inbox.take('a miss', ({ event }) => event === 'pusher:cache_miss');
  await sdk(server).trigger('cache-full', 'price', { eur: 5 });
  const full = await join(pusher, 'cache-full');
  const kept = await full.inbox.take('what is kept', ({ event }) => event === 'price');
  assert.deepEqual(kept.data, { eur: 5 });
}));

test('subscribers are told how many they are', withServer(asReverb({ CHINWAG_APP_SUBSCRIPTION_COUNT: 'true' }), async (server, t) => {
  const [one, two] = await Promise.all([connectPusher(t, server), connectPusher(t, server)]);
  const { channel } = await join(one, 'room');
  await until('there is one', () => channel.subscriptionCount === 1);
  await join(two, 'room');
  await until('there are two', () => channel.subscriptionCount === 2);
}));

test('the stock SDK asks and publishes in batches', withServer(asReverb(), async (server, t) => {
  const pusher = await connectPusher(t, server);
  const { inbox } = await join(pusher, 'a');
  const batch = [
    { channel: 'a', name: 'one', data: { n: 1 } },
    { channel: 'a', name: 'two', data: { n: 2 }, info: 'subscription_count' },
  ];
  const published = await sdk(server).triggerBatch(batch);
  assert.deepEqual(await published.json(), { batch: [{}, { subscription_count: 1 }] });
  await inbox.take('the second', ({ event }) => event === 'two');
  const ask = async (path, params) => (await sdk(server).get({ path, params })).json();
  assert.deepEqual(await ask('/channels', {}), { channels: { a: {} } });
  assert.deepEqual(await ask('/channels/a', { info: 'subscription_count' }), { occupied: true, subscription_count: 1 });
  assert.deepEqual(await ask('/channels/presence-none/users', {}), { users: [] });
}));
