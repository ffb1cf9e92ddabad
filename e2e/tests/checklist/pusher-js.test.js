// Item 69 in Node: the stock pusher-js against a server that was given nothing but a Reverb environment.

import assert from 'node:assert/strict';
import test from 'node:test';

import { startApplication } from '../../lib/application.js';
import { openFrames } from '../../lib/frames.js';
import { connectPusher, join, keepEvent } from '../../lib/pusherClient.js';
import { asReverb, sdk, subscriptionsOf, trigger } from '../../lib/reverb.js';
import { withServer } from '../../lib/server.js';
import { Inbox, until } from '../../lib/wait.js';

const USERS = {
  ada: { id: 'ada', info: { name: 'Ada' } },
  'ada-again': { id: 'ada', info: { name: 'Ada' } },
  bob: { id: 'bob', info: { name: 'Bob' } },
  seven: { id: 7, info: { name: 'Seven' } },
};
const encryptionMasterKeyBase64 = Buffer.from(Array.from({ length: 32 }, (_, n) => n)).toString('base64');
const RESTART_DEADLINE_MS = 30_000;

/** A server as a Reverb user starts it, and an application with endpoints of its own. */
const promise = (name, body, more) =>
  test(`(69) pusher-js in Node: ${name}`, withServer(asReverb(more), async (server, t) => {
    const publisher = sdk(server, { encryptionMasterKeyBase64 });
    const application = await startApplication(publisher, USERS);
    t.after(() => application.close());
    const as = (token) => connectPusher(t, server, { application, token });
    await body({ server, t, publisher, application, as });
  }));

const take = (inbox, name) => inbox.take(`event ${name}`, ({ event }) => event === name);

promise('connects', async ({ server, as }) => {
  assert.match((await as('ada')).connection.socket_id, /^\d+\.\d+$/);
  const up = await fetch(`${server.url}/up`);
  assert.deepEqual([up.status, await up.json()], [200, { health: 'OK' }]);
});

promise('gets what an application publishes, on one channel or many, except who caused it', async ({ publisher, as }) => {
  const [ada, bob] = await Promise.all([as('ada'), as('bob')]);
  const [a, b] = [await join(ada, 'orders'), await join(bob, 'orders')];
  assert.equal((await publisher.trigger('orders', 'shipped', { order: 5, to: 'Zoë 🚢' })).status, 200);
  for (const { inbox } of [a, b]) assert.deepEqual((await take(inbox, 'shipped')).data, { order: 5, to: 'Zoë 🚢' });
  await publisher.trigger(['orders', 'others', 'orders'], 'tick', { n: 1 });
  await publisher.trigger('orders', 'moved', {}, { socket_id: ada.connection.socket_id });
  await publisher.trigger('orders', 'end', {});
  for (const { inbox } of [a, b]) await take(inbox, 'end');
  const heard = ({ inbox }) => inbox.all.map(({ event }) => event).filter((event) => !event.startsWith('pusher'));
  assert.deepEqual([heard(a), heard(b)], [['shipped', 'tick', 'end'], ['shipped', 'tick', 'moved', 'end']]);
});

promise('joins private channels that the application lets it onto, and no others', async ({ publisher, as }) => {
  const ada = await as('ada');
  const mine = await join(ada, 'private-mine');
  assert.equal(mine.refused, null);
  const other = await join(ada, 'private-forbidden');
  assert.equal(other.refused.status, 403);
  await publisher.trigger(['private-mine', 'private-forbidden'], 'secret', { n: 1 });
  await take(mine.inbox, 'secret');
  assert.ok(!other.inbox.all.some(({ event }) => event === 'secret'));
});

promise('sees who is there, with numbers as ids too', async ({ as }) => {
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
});

promise('two windows of one user are one member, who leaves with the last', async ({ server, as }) => {
  const watcher = await join(await as('bob'), 'presence-room');
  const [one, two] = [await as('ada'), await as('ada-again')];
  const first = await join(one, 'presence-room');
  const second = await join(two, 'presence-room');
  assert.equal(second.channel.members.count, 2);
  await take(watcher.inbox, 'pusher:member_added');
  one.disconnect();
  await until('the first window is gone', async () => (await subscriptionsOf(server, 'presence-room')) === 2);
  two.unsubscribe('presence-room');
  assert.equal((await take(watcher.inbox, 'pusher:member_removed')).data.id, 'ada');
  const names = watcher.inbox.all.map(({ event }) => event).filter((event) => event.startsWith('pusher:member'));
  assert.deepEqual(names, ['pusher:member_added', 'pusher:member_removed']);
  assert.ok(!first.inbox.all.some(({ event }) => event === 'pusher:member_added'), 'not told of itself');
  assert.equal(watcher.channel.members.count, 1);
});

promise('reads encrypted channels, cached ones too, that the server cannot', async ({ server, publisher, as }) => {
  const { inbox } = await join(await as('ada'), 'private-encrypted-vault');
  const heard = await openFrames(server);
  const { auth } = publisher.authorizeChannel(heard.socketId, 'private-encrypted-vault');
  await heard.subscribed('private-encrypted-vault', { auth });
  await publisher.trigger('private-encrypted-vault', 'secret', { msg: 'hi' });
  assert.deepEqual((await take(inbox, 'secret')).data, { msg: 'hi' });
  const { data } = await heard.next('secret');
  assert.deepEqual(Object.keys(JSON.parse(data)).sort(), ['ciphertext', 'nonce'], 'what is on the wire');
  heard.close();
  await publisher.trigger('private-encrypted-cache-orders', 'last', { n: [1, 2, 3], s: 'é' });
  const cached = await join(await as('bob'), 'private-encrypted-cache-orders');
  assert.deepEqual((await take(cached.inbox, 'last')).data, { n: [1, 2, 3], s: 'é' });
});

promise('reads what other implementations encrypt: E1 to E3', async ({ server, as }) => {
  const pusher = await as('ada');
  const nonce = 'AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB';
  for (const [channel, ciphertext, plain] of [
    ['private-encrypted-vault', 'JUFmsVZCOFC/1w8bjmPkYLsCZ2hRfh7lybqjnA==', { msg: 'hi' }],
    ['private-encrypted-chat.1', 'pwpHVD5Z3hlwCebKV2kB9fZCOoD2AZE7GHlx368y', 'plain string'],
    ['private-encrypted-cache-orders', '5v7CrtVIj4u/zr1DvGZeEDUo7OAD5ugJdqJXdaMoJ988WhRPBWs=', { n: [1, 2, 3], s: 'é' }],
  ]) {
    const { inbox } = await join(pusher, channel);
    await trigger(server, { name: 'secret', channel, data: JSON.stringify({ nonce, ciphertext }) });
    assert.deepEqual((await take(inbox, 'secret')).data, plain, channel);
  }
});

promise('sends client events, and signs in by the application', async ({ publisher, as }) => {
  const [ada, bob] = await Promise.all([as('ada'), as('bob')]);
  const [a, b] = [await join(ada, 'private-room'), await join(bob, 'private-room')];
  const received = keepEvent(b.channel, 'client-typing');
  assert.ok(a.channel.trigger('client-typing', { on: true }));
  assert.deepEqual((await received.take('typing')).data, { on: true });
  const notes = new Inbox();
  ada.user.bind('note', (data) => notes.push(data));
  ada.signin();
  await until('ada is signed in', () => ada.user.serverToUserChannel?.subscribed);
  await publisher.sendToUser('ada', 'note', { n: 1 });
  assert.deepEqual(await notes.take('a note'), { n: 1 });
});

promise('leaves a channel, hears nothing of it, and joins it again', async ({ publisher, as }) => {
  const pusher = await as('ada');
  const first = await join(pusher, 'private-room');
  pusher.unsubscribe('private-room');
  const fence = await join(pusher, 'fence');
  await publisher.trigger('private-room', 'unseen', {});
  await publisher.trigger('fence', 'end', {});
  await take(fence.inbox, 'end');
  assert.ok(!first.inbox.all.some(({ event }) => event === 'unseen'));
  const second = await join(pusher, 'private-room');
  await publisher.trigger('private-room', 'seen', {});
  await take(second.inbox, 'seen');
});

promise('comes back after a restart, signed in and on all its channels', async ({ server, publisher, as }) => {
  const pusher = await as('ada');
  const joined = [await join(pusher, 'news'), await join(pusher, 'presence-room')];
  pusher.signin();
  await until('ada is signed in', () => pusher.user.serverToUserChannel?.subscribed);
  const before = pusher.connection.socket_id;
  await server.restart();
  await until('it is connected anew', () => pusher.connection.state === 'connected' && pusher.connection.socket_id !== before, RESTART_DEADLINE_MS);
  await until('it is on its channels', async () => (await subscriptionsOf(server, 'news')) === 1 && (await subscriptionsOf(server, 'presence-room')) === 1);
  await publisher.trigger(['news', 'presence-room'], 'n', { back: true });
  for (const { inbox } of joined) assert.deepEqual((await take(inbox, 'n')).data, { back: true });
  const notes = new Inbox();
  pusher.user.bind('note', (data) => notes.push(data));
  await until('ada is signed in again', async () => {
    await publisher.sendToUser('ada', 'note', {});
    return notes.all.length > 0;
  });
});
