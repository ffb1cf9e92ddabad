// A front end that was written for a Laravel back end, with Chinwag in its place: Sanctum's tokens and cookies, Echo with
// the authorizer that such front ends bring, notifications.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { startApplication } from '../lib/application.js';
import { closeBrowser, launchBrowser, openPage } from '../lib/browser.js';
import { PASSWORD, register } from '../lib/people.js';
import { connectEcho } from '../lib/pusherClient.js';
import { freePort, withServer } from '../lib/server.js';
import { Inbox, until, within } from '../lib/wait.js';

before(launchBrowser);
after(closeBrowser);

const kept = (listen) => {
  const inbox = new Inbox();
  listen((value) => inbox.push(value ?? null));
  return inbox;
};
const subscribed = (channel) =>
  within('it is subscribed', new Promise((resolve, reject) => channel.subscribed(resolve).error(reject)));

/** What such a front end does with axios: JSON, a bearer token, and the answer's body handed on. */
const authorizer = (server, token) => (channel) => ({
  authorize: async (socketId, callback) => {
    const response = await fetch(`${server.url}/api/broadcasting/auth`, {
      method: 'POST',
      headers: { accept: 'application/json', 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ socket_id: socketId, channel_name: channel.name }),
    });
    if (response.ok) callback(null, await response.json());
    else callback(Object.assign(new Error('refused'), { status: response.status }), null);
  },
});

async function sanctumToken(server, username) {
  const response = await fetch(`${server.url}/sanctum/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ email: username, password: PASSWORD, device_name: 'phone' }),
  });
  return response.text();
}

test('Echo with an authorizer and a token: private, presence, whispers, notifications', withServer({ CHINWAG_RATE_LIMITS: 'false' }, async (server, t) => {
  const [ada, bob] = [await register(server, 'ada', 'Ada Lovelace'), await register(server, 'bob', 'Bob Weaver')];
  const { id } = await ada.direct(bob);
  const { key } = await ada.get('/realtime/config');
  const connect = async (username) =>
    connectEcho(t, server, { key, authorizer: authorizer(server, await sanctumToken(server, username)) });
  const echoes = { ada: await connect('ada'), bob: await connect('bob') };
  const mine = echoes.bob.private(`App.Models.User.${bob.id}`);
  const notifications = kept((f) => mine.notification(f));
  await subscribed(mine);
  const message = await ada.send(id, 'Shall we have tea?');
  const { type, conversation_id: where, message_id: which, excerpt, sender } = await notifications.take('a notification');
  assert.deepEqual([type, where, which, excerpt, sender.name],
    ['App\\Notifications\\NewMessage', id, message.id, 'Shall we have tea?', 'Ada Lovelace']);
  const room = echoes.ada.join(`chat.${id}`);
  const [here, joining, leaving, whispers] = [
    kept((f) => room.here(f)), kept((f) => room.joining(f)), kept((f) => room.leaving(f)), kept((f) => room.listenForWhisper('typing', f)),
  ];
  const shown = (person, name) => ({ id: person.id, name, avatar: null });
  assert.deepEqual(await here.take('who is here'), [shown(ada, 'Ada Lovelace')]);
  const bobs = echoes.bob.join(`chat.${id}`);
  await subscribed(bobs);
  assert.deepEqual(await joining.take('who joins'), shown(bob, 'Bob Weaver'));
  bobs.whisper('typing', { name: 'Bob' });
  assert.deepEqual(await whispers.take('a whisper'), { name: 'Bob' });
  echoes.bob.leave(`chat.${id}`);
  assert.deepEqual(await leaving.take('who leaves'), shown(bob, 'Bob Weaver'));
  const refused = await kept((f) => echoes.ada.private(`App.Models.User.${bob.id}`).error(f)).take('a refusal');
  assert.deepEqual([refused.type, refused.error], ['AuthError', 'refused']);
}));

const PAGE = `<!doctype html><meta charset="utf-8"><title>A front end</title>
<script src="/pusher.js"></script>
<script>
  window.start = (home) => {
    const cookie = (name) => document.cookie.split('; ').find((one) => one.startsWith(name + '='))?.slice(name.length + 1);
    // What axios does with withCredentials and withXSRFToken.
    window.call = async (method, path, body, { xsrf = true } = {}) => {
      const headers = { accept: 'application/json', 'content-type': 'application/json' };
      const token = cookie('XSRF-TOKEN');
      if (xsrf && token) headers['X-XSRF-TOKEN'] = decodeURIComponent(token);
      const response = await fetch(home + path, { method, headers, credentials: 'include', body: body && JSON.stringify(body) });
      const text = await response.text();
      return { status: response.status, body: text.startsWith('{') ? JSON.parse(text) : text };
    };
    window.heard = [];
    window.connect = (key, channel) => {
      const customHandler = async ({ socketId, channelName }, done) => {
        const { status, body } = await call('POST', '/broadcasting/auth', { socket_id: socketId, channel_name: channelName });
        done(status === 200 ? null : new Error(String(status)), body);
      };
      const { hostname, port } = new URL(home);
      window.pusher = new Pusher(key, { cluster: '', wsHost: hostname, wsPort: port, forceTLS: false, enabledTransports: ['ws'],
        channelAuthorization: { customHandler } });
      pusher.subscribe(channel).bind_global((event, data) => heard.push({ event, data }));
    };
  };
</script>`;

test('cookies from a page of another origin: csrf-cookie, login, a private channel, logout', async (t) => {
  const port = await freePort();
  const pusherJs = new URL('../node_modules/pusher-js/dist/web/pusher.js', import.meta.url);
  const frontEnd = await startApplication(null, {}, { '/': PAGE, '/pusher.js': pusherJs });
  t.after(() => frontEnd.close());
  const environment = {
    CHINWAG_LISTEN: `127.0.0.1:${port}`,
    CHINWAG_CORS_ORIGINS: frontEnd.origin,
    CHINWAG_STATEFUL_DOMAINS: new URL(frontEnd.origin).host,
    CHINWAG_RATE_LIMITS: 'false',
  };
  await withServer(environment, async (server) => {
    const [ada, bob] = [await register(server, 'ada', 'Ada Lovelace'), await register(server, 'bob', 'Bob Weaver')];
    const { id } = await ada.direct(bob);
    const { key } = await ada.get('/realtime/config');
    const page = await openPage(t, frontEnd.origin);
    await page.evaluate((home) => window.start(home), server.url);
    const call = (...given) => page.evaluate((all) => window.call(...all), given);
    const credentials = { email: 'bob', password: PASSWORD };
    assert.equal((await call('GET', '/api/user')).status, 401);
    assert.deepEqual(await call('POST', '/login', credentials), { status: 419, body: { message: 'CSRF token mismatch.' } });
    assert.equal((await call('GET', '/sanctum/csrf-cookie')).status, 204);
    assert.equal((await call('POST', '/login', credentials, { xsrf: false })).status, 419, 'the cookie alone is no proof');
    const wrong = await call('POST', '/login', { ...credentials, password: 'guess' });
    assert.deepEqual([wrong.status, wrong.body.errors.email], [422, ['These credentials do not match our records.']]);
    assert.equal((await call('POST', '/login', credentials)).status, 204);
    assert.equal((await call('GET', '/api/user')).body.id, bob.id);
    const channel = `private-App.Models.User.${bob.id}`;
    await page.evaluate((given) => window.connect(...given), [key, channel]);
    const hears = (name) => page.waitForFunction((event) => window.heard.find((one) => one.event === event), name);
    await hears('pusher:subscription_succeeded');
    await ada.send(id, 'hello');
    const { data } = await (await hears('Illuminate\\Notifications\\Events\\BroadcastNotificationCreated')).jsonValue();
    assert.equal(data.excerpt, 'hello');
    assert.equal((await call('POST', '/logout', undefined, { xsrf: false })).status, 419);
    assert.equal((await call('POST', '/logout')).status, 204);
    assert.equal((await call('GET', '/api/user')).status, 401);
    await until('its socket has gone with the session', () => page.evaluate(() => window.pusher.connection.state !== 'connected'));
    assert.deepEqual(page.complaints, []);
  })(t);
});
