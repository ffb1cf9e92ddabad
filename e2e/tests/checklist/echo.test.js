// Item 70: laravel-echo, with both names under which it speaks this protocol.

import assert from 'node:assert/strict';
import test from 'node:test';

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';

import { startApplication } from '../../lib/application.js';
import { connectEcho } from '../../lib/pusherClient.js';
import { ask, asReverb, sdk } from '../../lib/reverb.js';
import { withServer } from '../../lib/server.js';
import { Inbox, until } from '../../lib/wait.js';

const USERS = {
  ada: { id: 1, info: { id: 1, name: 'Ada' } },
  bob: { id: 2, info: { id: 2, name: 'Bob' } },
};
const encryptionMasterKeyBase64 = Buffer.alloc(32, 7).toString('base64');
const RESTART_DEADLINE_MS = 30_000;

const withEcho = (broadcaster, body) =>
  withServer(asReverb(), async (server, t) => {
    const publisher = sdk(server, { encryptionMasterKeyBase64 });
    const application = await startApplication(publisher, USERS);
    t.after(() => application.close());
    const as = (token, more) => connectEcho(t, server, { broadcaster, application, token, ...more });
    await body({ server, t, publisher, application, as });
  });

/** The promise of being subscribed, or of why not. */
const subscribed = (channel) => new Promise((resolve, reject) => channel.subscribed(resolve).error(reject));

/** Keeps what a method such as `listen` calls back with. */
function kept(listen) {
  const inbox = new Inbox();
  listen((value) => inbox.push(value ?? null));
  return inbox;
}

/** What Echo's interceptor puts into the requests of a page that has axios. */
function headersThatEchoAdds(echo) {
  const headers = {};
  const interceptors = { request: { use: (intercept) => intercept({ headers }) } };
  globalThis.axios = Object.assign(() => {}, { interceptors });
  try {
    echo.registerInterceptors();
  } finally {
    delete globalThis.axios;
  }
  return headers;
}

for (const broadcaster of ['reverb', 'pusher']) {
  const promise = (name, body) => test(`(70) Echo's ${broadcaster}: ${name}`, withEcho(broadcaster, body));

  promise('listens on public and private channels', async ({ publisher, as }) => {
    const echo = await as('ada');
    assert.match(echo.socketId(), /^\d+\.\d+$/);
    const [news, mine] = [echo.channel('news'), echo.private('orders.1')];
    const inboxes = [news, mine].map((channel) => kept((f) => channel.listen('OrderShipped', f)));
    await Promise.all([news, mine].map(subscribed));
    await publisher.trigger(['news', 'private-orders.1'], 'App\\Events\\OrderShipped', { order: 5 });
    for (const inbox of inboxes) assert.deepEqual(await inbox.take('an event'), { order: 5 });
  });

  promise('hears names with a dot as they are, and others in their namespace', async ({ publisher, as }) => {
    const channel = (await as('ada')).channel('news');
    const heard = {
      '.order.shipped': 'order.shipped',
      '\\Full\\Class': 'Full\\Class',
      'Chat.Typing': 'App\\Events\\Chat\\Typing',
    };
    const inboxes = Object.keys(heard).map((name) => kept((f) => channel.listen(name, f)));
    const everything = kept((f) => channel.listenToAll((name) => f(name)));
    await subscribed(channel);
    for (const wire of Object.values(heard)) await publisher.trigger('news', wire, { wire });
    for (const [n, wire] of Object.values(heard).entries()) {
      assert.deepEqual(await inboxes[n].take(wire), { wire });
    }
    await everything.take('everything', (name) => name.endsWith('Typing'));
    assert.equal(everything.all.length, 3);
  });

  promise('has a namespace of its own, or none', async ({ publisher, as }) => {
    for (const [namespace, listened, wire] of [
      ['Shop.Events', 'Order.Paid', 'Shop\\Events\\Order\\Paid'],
      [false, 'Order.Paid', 'Order\\Paid'],
      [false, 'paid', 'paid'],
    ]) {
      const channel = (await as('ada', { namespace })).channel('orders');
      const inbox = kept((f) => channel.listen(listened, f));
      await subscribed(channel);
      await publisher.trigger('orders', wire, { wire });
      assert.deepEqual(await inbox.take(wire), { wire });
    }
  });

  promise('stops listening', async ({ publisher, as }) => {
    const channel = (await as('ada')).channel('news');
    const heard = [];
    const listener = (value) => heard.push(value);
    const end = kept((f) => channel.listen('.end', f));
    channel.listen('.n', listener).stopListening('.n', listener);
    await subscribed(channel);
    for (const name of ['n', 'end']) await publisher.trigger('news', name, {});
    await end.take('the end');
    assert.deepEqual(heard, []);
  });

  promise('reads encrypted channels and cannot whisper on them', async ({ publisher, as }) => {
    const channel = (await as('ada')).encryptedPrivate('vault');
    const inbox = kept((f) => channel.listen('OrderShipped', f));
    await subscribed(channel);
    await publisher.trigger('private-encrypted-vault', 'App\\Events\\OrderShipped', { order: 5 });
    assert.deepEqual(await inbox.take('an event'), { order: 5 });
    assert.throws(() => channel.whisper('typing', {}));
  });

  promise('knows cache channels by the names it gives them', async ({ publisher, as }) => {
    const echo = await as('ada');
    const names = { 'cache-price': echo.channel('cache-price'), 'private-cache-price': echo.private('cache-price'),
      'presence-cache-price': echo.join('cache-price'), 'private-encrypted-cache-price': echo.encryptedPrivate('cache-price') };
    await Promise.all(Object.values(names).map(subscribed));
    for (const name of Object.keys(names)) await publisher.trigger(name, 'price', { eur: 5 });
    const late = await as('bob');
    const channels = [late.channel('cache-price'), late.private('cache-price'), late.join('cache-price'), late.encryptedPrivate('cache-price')];
    const inboxes = channels.map((channel) => kept((f) => channel.listen('.price', f)));
    for (const inbox of inboxes) assert.deepEqual(await inbox.take('the price'), { eur: 5 });
  });

  promise('signs in by the application’s endpoint', async ({ publisher, application, as }) => {
    const echo = await as('ada');
    const notes = kept((f) => echo.connector.pusher.user.bind('note', f));
    echo.connector.signin();
    await until('it is signed in', () => echo.connector.pusher.user.serverToUserChannel?.subscribed);
    assert.ok(application.calls.some(({ pathname }) => pathname === '/broadcasting/user-auth'));
    await publisher.sendToUser('1', 'note', { n: 1 });
    assert.deepEqual(await notes.take('a note'), { n: 1 });
  });

  promise('tells how its connection is, and when that changes', async ({ server, t, as }) => {
    const echo = await as('ada');
    assert.equal(echo.connectionStatus(), 'connected');
    const changes = kept((f) => echo.connector.onConnectionChange(f));
    echo.disconnect();
    await changes.take('disconnected', (status) => status === 'disconnected');
    echo.connector.pusher.connect();
    await changes.take('connected again', (status) => status === 'connected');
    assert.match(echo.socketId(), /^\d+\.\d+$/);
    const options = { broadcaster, wsHost: '127.0.0.1', wsPort: server.port, forceTLS: false, enabledTransports: ['ws'], cluster: '' };
    const stranger = new Echo({ ...options, key: 'no-such-key', Pusher });
    t.after(() => stranger.disconnect());
    await until('a refused key ends in disconnected', () => stranger.connectionStatus() === 'disconnected');
  });

  promise('gets notifications', async ({ publisher, as }) => {
    const channel = (await as('ada')).private('App.Models.User.1');
    const inbox = kept((f) => channel.notification(f));
    await subscribed(channel);
    const type = 'App\\Notifications\\Paid';
    const event = 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated';
    await publisher.trigger('private-App.Models.User.1', event, { id: 'x', type, amount: 5 });
    assert.deepEqual(await inbox.take('a notification'), { id: 'x', type, amount: 5 });
  });

  promise('sees who is here, who joins and who leaves', async ({ as }) => {
    const [ada, bob] = [await as('ada'), await as('bob')];
    const room = ada.join('chat.1');
    const here = kept((f) => room.here(f));
    const joining = kept((f) => room.joining(f));
    const leaving = kept((f) => room.leaving(f));
    assert.deepEqual(await here.take('who is here'), [USERS.ada.info]);
    const bobs = bob.join('chat.1');
    const hereForBob = await kept((f) => bobs.here(f)).take('who is here');
    assert.deepEqual(hereForBob, [USERS.ada.info, USERS.bob.info]);
    assert.deepEqual(await joining.take('who joins'), USERS.bob.info);
    bob.leave('chat.1');
    assert.deepEqual(await leaving.take('who leaves'), USERS.bob.info);
  });

  promise('whispers to the others and not to itself', async ({ publisher, as }) => {
    const [ada, bob] = [await as('ada'), await as('bob')];
    for (const open of [(echo) => echo.private('room'), (echo) => echo.join('room')]) {
      const [a, b] = [open(ada), open(bob)];
      await Promise.all([a, b].map(subscribed));
      const [own, other] = [a, b].map((channel) => kept((f) => channel.listenForWhisper('typing', f)));
      const end = kept((f) => a.listen('.end', f));
      a.whisper('typing', { name: 'Ada' });
      assert.deepEqual(await other.take('a whisper'), { name: 'Ada' });
      await publisher.trigger(a.name, 'end', {});
      await end.take('the end');
      assert.deepEqual(own.all, []);
    }
  });

  promise('is told that a channel is not for it', async ({ as, application }) => {
    const echo = await as('ada');
    const refused = await kept((f) => echo.private('forbidden').error(f)).take('an error');
    assert.equal(refused.status, 403);
    assert.ok(application.calls.some(({ channel }) => channel === 'private-forbidden'));
  });

  promise('hears nothing of a channel it has left', async ({ publisher, as }) => {
    const echo = await as('ada');
    const room = echo.private('room');
    const inbox = kept((f) => room.listen('.n', f));
    const fence = echo.channel('fence');
    const end = kept((f) => fence.listen('.end', f));
    await Promise.all([room, fence].map(subscribed));
    echo.leave('room');
    await publisher.trigger(['private-room', 'fence'], 'n', {});
    await publisher.trigger('fence', 'end', {});
    await end.take('the end');
    assert.deepEqual(inbox.all, []);
  });

  promise('leaves one channel by its full name, or all', async ({ server, as }) => {
    const echo = await as('ada');
    const channels = [echo.channel('a'), echo.private('a'), echo.join('a'), echo.private('b')];
    await Promise.all(channels.map(subscribed));
    const occupied = async () => Object.keys((await ask(server, '/channels')).json.channels);
    echo.leaveChannel('private-a');
    await until('that one is left', async () => !(await occupied()).includes('private-a'));
    assert.deepEqual(await occupied(), ['a', 'presence-a', 'private-b']);
    echo.leave('a');
    await until('all of that name are left', async () => (await occupied()).length === 1);
    echo.leave('never-joined');
    echo.leaveAllChannels();
    await until('all are left', async () => (await occupied()).length === 0);
    assert.equal(echo.connectionStatus(), 'connected');
  });

  promise('is left out of what is broadcast to others', async ({ publisher, as }) => {
    const [ada, bob] = [await as('ada'), await as('bob')];
    const rooms = [ada, bob].map((echo) => echo.private('room'));
    const [own, other] = rooms.map((room) => kept((f) => room.listen('.n', f)));
    await Promise.all(rooms.map(subscribed));
    // What broadcast(…)->toOthers() does with the header that Echo adds to requests.
    const headers = headersThatEchoAdds(ada);
    assert.deepEqual(Object.keys(headers).map((name) => name.toLowerCase()), ['x-socket-id']);
    await publisher.trigger('private-room', 'n', { first: true }, { socket_id: Object.values(headers)[0] });
    await publisher.trigger('private-room', 'n', { first: false });
    assert.deepEqual(await other.take('the first'), { first: true });
    assert.deepEqual(await own.take('the second'), { first: false });
  });
}

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`(70) after a restart by ${signal} Echo is back on all its channels by itself`, withEcho('reverb', async ({ server, publisher, as }) => {
    const echo = await as('ada');
    const channels = [echo.channel('news'), echo.private('room'), echo.join('chat')];
    const inboxes = channels.map((channel) => kept((f) => channel.listen('.n', f)));
    const here = kept((f) => channels[2].here(f));
    await Promise.all(channels.slice(0, 2).map(subscribed));
    await here.take('who is here');
    const before = echo.socketId();
    await server.restart(signal);
    await until('Echo is connected anew', () => echo.connectionStatus() === 'connected' && echo.socketId() !== before, RESTART_DEADLINE_MS);
    assert.deepEqual(await here.take('who is here again'), [USERS.ada.info]);
    const names = ['news', 'private-room', 'presence-chat'];
    await until('the server has all subscriptions', async () => {
      const answer = await publisher.trigger(names, 'probe', {}, { info: 'subscription_count' });
      return Object.values((await answer.json()).channels).every((channel) => channel.subscription_count === 1);
    });
    await publisher.trigger(names, 'n', { back: true });
    for (const inbox of inboxes) assert.deepEqual(await inbox.take('an event'), { back: true });
  }));
}
