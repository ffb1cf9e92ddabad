// Item 73: a Laravel application of which only the .env was changed, or not even that. Its side is the requests that
// Laravel's broadcaster makes through the PHP library, as recorded, and the stock Echo.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test from 'node:test';
import { promisify } from 'node:util';

import { startApplication } from '../../lib/application.js';
import { connectEcho } from '../../lib/pusherClient.js';
import { APP, ask, asReverb, sdk, signedPost } from '../../lib/reverb.js';
import { binary, freePort, withServer } from '../../lib/server.js';
import { Inbox } from '../../lib/wait.js';
import { Hooks } from '../../lib/webhooks.js';

const USERS = { ada: { id: 1, info: { id: 1, name: 'Ada' } }, bob: { id: 2, info: true } };

/** Every variable of Reverb's own configuration, with the values that its installer and its documentation give. */
const WHOLE_ENVIRONMENT = {
  BROADCAST_CONNECTION: 'reverb',
  REVERB_SERVER: 'reverb',
  REVERB_HOST: 'localhost',
  REVERB_PORT: '8080',
  REVERB_SCHEME: 'http',
  REVERB_MAX_REQUEST_SIZE: '10000',
  REVERB_APP_PING_INTERVAL: '60',
  REVERB_APP_ACTIVITY_TIMEOUT: '30',
  REVERB_APP_MAX_MESSAGE_SIZE: '10000',
  REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM: 'members',
  REVERB_SCALING_ENABLED: 'false',
  REVERB_PULSE_INGEST_INTERVAL: '15',
  REVERB_TELESCOPE_INGEST_INTERVAL: '15',
  VITE_REVERB_APP_KEY: APP.key,
};

/** What the broadcaster sends for an event: one call for each hundred channels, one channel by its own member. */
async function broadcast(server, event, channels, payload, socketId, change) {
  const headers = { 'content-type': 'application/json', 'x-pusher-library': 'pusher-http-php 7.2.6' };
  const answers = [];
  for (let at = 0; at < channels.length; at += 100) {
    const some = channels.slice(at, at + 100);
    const body = { name: event, data: JSON.stringify(payload), ...(some.length === 1 ? { channel: some[0] } : { channels: some }) };
    if (socketId) body.socket_id = socketId;
    const answer = await signedPost(server, JSON.stringify(body).replaceAll('/', '\\/'), { headers, ...change });
    assert.deepEqual([answer.status, answer.text], [200, '{}'], 'anything else is a BroadcastException');
    answers.push(answer);
  }
  return answers;
}

const kept = (listen) => {
  const inbox = new Inbox();
  listen((value) => inbox.push(value ?? null));
  return inbox;
};
const subscribed = (channel) => new Promise((resolve, reject) => channel.subscribed(resolve).error(reject));

test('(73) Laravel with its Reverb .env unchanged: events, models, notifications, presence, toOthers, Pulse', withServer(
  asReverb(WHOLE_ENVIRONMENT),
  async (server, t) => {
    const application = await startApplication(sdk(server), USERS);
    t.after(() => application.close());
    const [ada, bob] = [
      await connectEcho(t, server, { application, token: 'ada' }),
      await connectEcho(t, server, { application, token: 'bob' }),
    ];
    const mine = ada.private('App.Models.User.1');
    const heard = {
      event: kept((f) => mine.listen('MessageSent', f)),
      nested: kept((f) => mine.listen('Chat.Typing', f)),
      named: kept((f) => mine.listen('.new.message', f)),
      model: kept((f) => mine.listen('.DirectMessageCreated', f)),
      notification: kept((f) => mine.notification(f)),
    };
    await subscribed(mine);
    const payloads = {
      event: ['App\\Events\\MessageSent', { message: { id: 1, body: 'hé/' }, connection: null, queue: null }],
      nested: ['App\\Events\\Chat\\Typing', []],
      named: ['new.message', { x: 1 }],
      model: ['DirectMessageCreated', { model: { id: 5 }, connection: null, queue: null, afterCommit: false }],
      notification: ['Illuminate\\Notifications\\Events\\BroadcastNotificationCreated', { amount: 5, id: 'uuid', type: 'App\\Notifications\\Paid' }],
    };
    for (const [name, [event, payload]] of Object.entries(payloads)) {
      await broadcast(server, event, ['private-App.Models.User.1'], payload);
      assert.deepEqual(await heard[name].take(name), payload);
    }
    const rooms = [ada, bob].map((echo) => echo.join('chat.1'));
    const here = rooms.map((room) => kept((f) => room.here(f)));
    assert.ok((await here[0].take('who is here')).some((info) => info.name === 'Ada'));
    assert.ok((await here[1].take('who is here')).includes(true), 'what a rule returned that only says true');
    const said = rooms.map((room) => kept((f) => room.listen('Said', f)));
    await broadcast(server, 'App\\Events\\Said', ['presence-chat.1', 'news'], { n: 1 }, ada.socketId());
    await broadcast(server, 'App\\Events\\Said', ['presence-chat.1'], { n: 2 });
    assert.deepEqual([await said[0].take('the second'), await said[1].take('the first')], [{ n: 2 }, { n: 1 }]);
    assert.equal((await broadcast(server, 'App\\Events\\Said', Array.from({ length: 250 }, (_, n) => `c.${n}`), {})).length, 3);
    // What the card of Pulse asks for every fifteen seconds.
    assert.deepEqual((await ask(server, '/connections', {})).json, { connections: 2 });
    const large = await signedPost(server, JSON.stringify({ name: 'n', channel: 'c', data: 'x'.repeat(10_000) }));
    assert.equal(large.status, 413, 'Reverb’s own limit counts where it is set');
  },
));

test('(73) Laravel with the .env that chinwag prints for it', withServer({ CHINWAG_APP_ID: 'shop' }, async (server, t) => {
  const { stdout } = await promisify(execFile)(binary(), ['laravel-env', '--url', server.url], { cwd: server.folder, env: { PATH: process.env.PATH, CHINWAG_APP_ID: 'shop' } });
  const variables = Object.fromEntries([...stdout.matchAll(/^([A-Z_]+)="?([^"\n]*)"?$/gm)].map(([, name, value]) => [name, value]));
  assert.deepEqual([variables.BROADCAST_CONNECTION, variables.REVERB_APP_ID, variables.REVERB_PORT, variables.REVERB_SCHEME],
    ['reverb', 'shop', String(server.port), 'http']);
  const { REVERB_APP_ID: appId, REVERB_APP_KEY: key, REVERB_APP_SECRET: secret } = variables;
  const publisher = sdk(server, { appId, key, secret });
  const application = await startApplication(publisher, USERS);
  t.after(() => application.close());
  const echo = await connectEcho(t, server, { application, token: 'ada', key });
  const channel = echo.private('orders.1');
  const inbox = kept((f) => channel.listen('OrderShipped', f));
  await subscribed(channel);
  await broadcast(server, 'App\\Events\\OrderShipped', ['private-orders.1'], { order: 5 }, null, { path: `/apps/${appId}/events`, key, secret });
  assert.deepEqual(await inbox.take('an event'), { order: 5 });
}));

test('(73) Laravel with the pusher connection and an older guide’s base_path', withServer(
  { PUSHER_APP_ID: APP.id, PUSHER_APP_KEY: APP.key, PUSHER_APP_SECRET: APP.secret, PUSHER_APP_CLUSTER: 'mt1' },
  async (server, t) => {
    const echo = await connectEcho(t, server, { broadcaster: 'pusher', cluster: 'mt1', disableStats: true });
    const channel = echo.channel('news');
    const inbox = kept((f) => channel.listen('.n', f));
    await subscribed(channel);
    await broadcast(server, 'n', ['news'], { a: 1 });
    assert.deepEqual(await inbox.take('an event'), { a: 1 });
  },
));

test('(73) an application on Soketi, with its variables unchanged and its webhooks', async (t) => {
  const hooks = await new Hooks().open();
  t.after(() => hooks.close());
  const environment = async () => ({
    SOKETI_DEFAULT_APP_ID: APP.id,
    SOKETI_DEFAULT_APP_KEY: APP.key,
    SOKETI_DEFAULT_APP_SECRET: APP.secret,
    SOKETI_DEFAULT_APP_ENABLE_CLIENT_MESSAGES: 'true',
    SOKETI_DEFAULT_APP_WEBHOOKS: JSON.stringify([{ url: hooks.url, event_types: ['channel_occupied'], filter: { channel_name_starts_with: 'private-' } }]),
    SOKETI_HOST: '127.0.0.1',
    SOKETI_PORT: String(await freePort()),
    CHINWAG_WEBHOOK_PRIVATE_ADDRESSES: 'true',
  });
  await withServer(environment, async (server) => {
    const application = await startApplication(sdk(server), USERS);
    t.after(() => application.close());
    const echo = await connectEcho(t, server, { broadcaster: 'pusher', application, token: 'ada' });
    const [news, room] = [echo.channel('news'), echo.private('room')];
    const inbox = kept((f) => news.listen('.n', f));
    await Promise.all([news, room].map(subscribed));
    // Soketi lets events have ten times as much as others do.
    await broadcast(server, 'n', ['news'], { text: 'x'.repeat(50_000) });
    assert.equal((await inbox.take('an event')).text.length, 50_000);
    await hooks.next('channel_occupied');
    assert.deepEqual(hooks.events.all, [{ name: 'channel_occupied', channel: 'private-room' }]);
  })(t);
});

test('(73) an application on laravel-websockets, with its variables unchanged', async (t) => {
  const environment = async () => ({
    PUSHER_APP_ID: APP.id,
    PUSHER_APP_KEY: APP.key,
    PUSHER_APP_SECRET: APP.secret,
    LARAVEL_WEBSOCKETS_PORT: String(await freePort()),
    LARAVEL_WEBSOCKETS_ENABLE_CLIENT_MESSAGES: 'false',
  });
  await withServer(environment, async (server) => {
    const application = await startApplication(sdk(server), USERS);
    t.after(() => application.close());
    const echo = await connectEcho(t, server, { broadcaster: 'pusher', application, token: 'ada' });
    const room = echo.private('room');
    const [inbox, errors] = [kept((f) => room.listen('MessageSent', f)), kept((f) => echo.connector.pusher.connection.bind('error', f))];
    await subscribed(room);
    await broadcast(server, 'App\\Events\\MessageSent', ['private-room'], { n: 1 });
    assert.deepEqual(await inbox.take('an event'), { n: 1 });
    room.whisper('typing', {});
    const error = await errors.take('a refusal');
    assert.equal(error.data?.code ?? error.error?.data?.code, 4301);
  })(t);
});
