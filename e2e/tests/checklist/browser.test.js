// Items 69 and 70 in Chromium: the stock pusher-js, and Echo's package for Vue in a Vue application, on pages of our own
// with the packages as they are published.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { startApplication } from '../../lib/application.js';
import { closeBrowser, launchBrowser, openPage } from '../../lib/browser.js';
import { APP, asReverb, sdk, subscriptionsOf } from '../../lib/reverb.js';
import { withServer } from '../../lib/server.js';
import { until } from '../../lib/wait.js';

before(launchBrowser);
after(closeBrowser);

const USERS = {
  ada: { id: 1, info: { id: 1, name: 'Ada' } },
  bob: { id: 2, info: { id: 2, name: 'Bob' } },
};
const RESTART_DEADLINE_MS = 30_000;
const module = (path) => new URL(`../../node_modules/${path}`, import.meta.url);

/** A page that has pusher-js, and notes what happens on its channels. */
const PUSHER_PAGE = (script) => `<!doctype html><meta charset="utf-8"><title>pusher-js</title>
<script src="/${script}.js"></script>
<script>
  window.start = ({ key, port, token }) => {
    const headers = { Authorization: 'Bearer ' + token };
    window.heard = [];
    window.states = [];
    window.pusher = new Pusher(key, {
      cluster: '', wsHost: '127.0.0.1', wsPort: port, forceTLS: false, enabledTransports: ['ws'],
      channelAuthorization: { endpoint: '/broadcasting/auth', transport: 'ajax', headers },
      userAuthentication: { endpoint: '/broadcasting/user-auth', transport: 'ajax', headers },
    });
    pusher.connection.bind('state_change', ({ current }) => states.push(current));
    pusher.user.bind_global((event, data) => heard.push({ channel: 'user', event, data }));
  };
  window.enter = (name) => {
    pusher.subscribe(name).bind_global((event, data) => heard.push({ channel: name, event, data }));
  };
</script>`;

const PAGES = {
  '/plain.html': PUSHER_PAGE('pusher'),
  '/encryption.html': PUSHER_PAGE('pusher-with-encryption'),
  '/pusher.js': module('pusher-js/dist/web/pusher.js'),
  '/pusher-with-encryption.js': module('pusher-js/dist/web/pusher-with-encryption.js'),
  '/vue.js': module('vue/dist/vue.esm-browser.prod.js'),
  '/echo-vue.js': module('@laravel/echo-vue/dist/index.js'),
  '/pusher-module.js': 'export default window.Pusher;',
};

const withPages = (body, pages = {}) => withServer(asReverb({ CHINWAG_APP_SUBSCRIPTION_COUNT: 'true' }), async (server, t) => {
  const publisher = sdk(server, { encryptionMasterKeyBase64: Buffer.alloc(32, 7).toString('base64') });
  const application = await startApplication(publisher, USERS, { ...PAGES, ...pages });
  t.after(() => application.close());
  const open = async (path, token, key = APP.key) => {
    const page = await openPage(t, application.origin + path);
    await page.evaluate((how) => window.start(how), { key, port: server.port, token });
    return page;
  };
  await body({ server, t, publisher, open });
});

const connected = (page) => page.waitForFunction(() => window.pusher.connection.state === 'connected');

/** The data of an event on a channel of the page, when it has come. */
const heard = async (page, channel, event) => {
  const wanted = await page.waitForFunction(
    ([on, name]) => window.heard.find((one) => one.channel === on && one.event === name),
    [channel, event],
  );
  return (await wanted.jsonValue()).data;
};

async function join(page, name) {
  await page.evaluate((channel) => window.enter(channel), name);
  await heard(page, name, 'pusher:subscription_succeeded');
}

test('(69) pusher-js in Chromium: connects, public, private, presence and cache channels, client events, sign-in', withPages(async ({ publisher, open }) => {
  const [ada, bob] = [await open('/plain.html', 'ada'), await open('/plain.html', 'bob')];
  await publisher.trigger('cache-price', 'price', { eur: 5 });
  for (const page of [ada, bob]) {
    await connected(page);
    for (const name of ['news', 'private-room', 'presence-room', 'cache-price', 'cache-empty']) await join(page, name);
  }
  await publisher.trigger(['news', 'private-room'], 'shipped', { to: 'Zoë 🚢' });
  for (const page of [ada, bob]) {
    for (const name of ['news', 'private-room']) assert.deepEqual(await heard(page, name, 'shipped'), { to: 'Zoë 🚢' });
    assert.deepEqual(await heard(page, 'cache-price', 'price'), { eur: 5 });
    await heard(page, 'cache-empty', 'pusher:cache_miss');
  }
  assert.deepEqual(await heard(ada, 'presence-room', 'pusher:member_added'), { id: '2', info: USERS.bob.info });
  const members = await bob.evaluate(() => window.pusher.channel('presence-room').members.members);
  assert.deepEqual(members, { 1: USERS.ada.info, 2: USERS.bob.info });
  await ada.evaluate(() => window.pusher.channel('presence-room').trigger('client-typing', { on: true }));
  assert.deepEqual(await heard(bob, 'presence-room', 'client-typing'), { on: true });
  await ada.waitForFunction(() => window.pusher.channel('news').subscriptionCount === 2);
  await ada.evaluate(() => window.pusher.signin());
  await ada.waitForFunction(() => window.pusher.user.serverToUserChannel?.subscribed);
  await publisher.sendToUser('1', 'note', { n: 1 });
  assert.deepEqual(await heard(ada, 'user', 'note'), { n: 1 });
  await bob.evaluate((name) => window.enter(name), 'private-forbidden');
  assert.equal((await heard(bob, 'private-forbidden', 'pusher:subscription_error')).status, 403);
  await bob.evaluate(() => window.pusher.disconnect());
  assert.equal((await heard(ada, 'presence-room', 'pusher:member_removed')).id, '2');
  for (const page of [ada, bob]) assert.deepEqual(page.complaints, []);
}));

test('(69) pusher-js in Chromium: reads encrypted channels', withPages(async ({ publisher, open }) => {
  const page = await open('/encryption.html', 'ada');
  await connected(page);
  await join(page, 'private-encrypted-vault');
  await publisher.trigger('private-encrypted-vault', 'secret', { msg: 'hé' });
  assert.deepEqual(await heard(page, 'private-encrypted-vault', 'secret'), { msg: 'hé' });
  await publisher.trigger('private-encrypted-cache-orders', 'last', [1, 2, 3]);
  await join(page, 'private-encrypted-cache-orders');
  assert.deepEqual(await heard(page, 'private-encrypted-cache-orders', 'last'), [1, 2, 3]);
  assert.deepEqual(page.complaints, []);
}));

test('(69) pusher-js in Chromium: a refused key ends in disconnected, for good', withPages(async ({ open }) => {
  const page = await open('/plain.html', 'ada', 'no-such-key');
  await page.waitForFunction(() => window.pusher.connection.state === 'disconnected');
  // It has no timer left that would try again.
  assert.deepEqual(await page.evaluate(() => [window.states, window.pusher.connection.retryTimer ?? null]), [['disconnected'], null]);
}));

test('(69) pusher-js in Chromium: comes back after a restart, signed in and on its channels', withPages(async ({ server, publisher, open }) => {
  const page = await open('/plain.html', 'ada');
  await connected(page);
  for (const name of ['news', 'presence-room']) await join(page, name);
  await page.evaluate(() => window.pusher.signin());
  await page.waitForFunction(() => window.pusher.user.serverToUserChannel?.subscribed);
  const before = await page.evaluate(() => window.pusher.connection.socket_id);
  await server.restart('SIGKILL');
  await page.waitForFunction((id) => window.pusher.connection.state === 'connected' && window.pusher.connection.socket_id !== id, before, {
    timeout: RESTART_DEADLINE_MS,
  });
  await until('it is on its channels', async () => (await subscriptionsOf(server, 'news')) === 1 && (await subscriptionsOf(server, 'presence-room')) === 1);
  await publisher.trigger(['news', 'presence-room'], 'back', { n: 1 });
  for (const name of ['news', 'presence-room']) assert.deepEqual(await heard(page, name, 'back'), { n: 1 });
  await until('it is signed in', async () => {
    await publisher.sendToUser('1', 'note', {});
    return page.evaluate(() => window.heard.some(({ channel, event }) => channel === 'user' && event === 'note'));
  });
}));

// A Vue application as Laravel's starter kits have it: Echo configured once, and what its components need from it.
const VUE_PAGE = `<!doctype html><meta charset="utf-8"><title>echo-vue</title>
<script src="/pusher.js"></script>
<script type="importmap">
  { "imports": { "vue": "/vue.js", "pusher-js": "/pusher-module.js", "@laravel/echo-vue": "/echo-vue.js" } }
</script>
<div id="app"></div>
<script type="module">
  import { createApp, defineComponent, reactive, ref } from 'vue';
  import { configureEcho, echoIsConfigured, useChannel, useConnectionStatus, useEcho, useEchoModel, useEchoNotification,
    useEchoPresence, useEchoPublic, usePresenceChannel, usePublicChannel, useSocketId } from '@laravel/echo-vue';

  const Room = defineComponent({
    template: '<output id="room">{{ JSON.stringify(seen) }}</output><output id="socket">{{ socket }}</output>',
    setup() {
      const seen = reactive({ public: [], private: [], many: [], presence: [], here: [], joining: [], leaving: [], whispers: [],
        notifications: [], model: [], stopped: [] });
      useEchoPublic('news', '.shipped', (data) => seen.public.push(data));
      useEcho('orders.1', 'OrderShipped', (data) => seen.private.push(data));
      useEcho('orders.1', ['.one', '.two'], (data) => seen.many.push(data));
      const { channel } = useEchoPresence('chat.1', '.said', (data) => seen.presence.push(data));
      channel()
        .here((all) => seen.here.push(...all.map(({ name }) => name)))
        .joining(({ name }) => seen.joining.push(name))
        .leaving(({ name }) => seen.leaving.push(name))
        .listenForWhisper('typing', (data) => seen.whispers.push(data));
      useEchoNotification('App.Models.User.1', (data) => seen.notifications.push(data));
      useEchoModel('App.Models.Order', 5, 'OrderUpdated', ({ model }) => seen.model.push(model));
      const { stopListening, listen } = useEcho('orders.1', '.now-and-then', (data) => seen.stopped.push(data));
      Object.assign(window, { stopListening, listenAgain: listen });
      const present = usePresenceChannel('chat.1');
      window.whisper = () => present.channel().whisper('typing', { on: true });
      window.names = [useChannel('orders.1'), usePublicChannel('news'), present].map(({ channel: one }) => one().name);
      return { seen, socket: useSocketId() };
    },
  });

  window.start = ({ key, port, token }) => {
    const headers = { Authorization: 'Bearer ' + token };
    configureEcho({ broadcaster: 'reverb', key, wsHost: '127.0.0.1', wsPort: port, forceTLS: false, enabledTransports: ['ws'],
      auth: { headers }, userAuthentication: { headers, endpoint: '/broadcasting/user-auth' } });
    const open = ref(true);
    window.show = (value) => (open.value = value);
    createApp({
      components: { Room },
      template: '<output id="status">{{ status }}</output><Room v-if="open" />',
      setup: () => ({ status: useConnectionStatus(), open }),
    }).mount('#app');
    window.configured = echoIsConfigured();
  };
</script>`;

test('(70) Echo’s package for Vue, in a Vue application: every function of it', withPages(async ({ server, publisher, open }) => {
  const ada = await open('/vue.html', 'ada');
  const reads = (id) => ada.locator(id).textContent();
  const seen = async () => JSON.parse(await reads('#room'));
  const sees = (what, test) => until(what, async () => test(await seen()));
  await until('it is connected', async () => (await reads('#status')) === 'connected');
  assert.ok(await ada.evaluate(() => window.configured));
  assert.deepEqual(await ada.evaluate(() => window.names), ['private-orders.1', 'news', 'presence-chat.1']);
  await until('it knows its socket', async () => /^\d+\.\d+$/.test(await reads('#socket')));
  const channels = ['news', 'private-orders.1', 'presence-chat.1', 'private-App.Models.User.1', 'private-App.Models.Order.5'];
  for (const name of channels) await until(`it is on ${name}`, async () => (await subscriptionsOf(server, name)) === 1);
  await publisher.trigger('news', 'shipped', { n: 1 });
  await publisher.trigger('private-orders.1', 'App\\Events\\OrderShipped', { order: 5 });
  for (const name of ['one', 'two']) await publisher.trigger('private-orders.1', name, { name });
  await publisher.trigger('presence-chat.1', 'said', { text: 'hé' });
  await publisher.trigger('private-App.Models.User.1', 'Illuminate\\Notifications\\Events\\BroadcastNotificationCreated', { id: 'x', type: 'Paid' });
  await publisher.trigger('private-App.Models.Order.5', 'OrderUpdated', { model: { id: 5 } });
  await sees('everything came', (all) => all.model.length === 1 && all.notifications.length === 1);
  const { public: news, private: orders, many, presence, here } = await seen();
  assert.deepEqual({ news, orders, many, presence, here }, {
    news: [{ n: 1 }],
    orders: [{ order: 5 }],
    many: [{ name: 'one' }, { name: 'two' }],
    presence: [{ text: 'hé' }],
    here: ['Ada'],
  });
  // Somebody else comes, whispers and goes.
  const bob = await open('/vue.html', 'bob');
  await sees('bob joins', ({ joining }) => joining.includes('Bob'));
  await until('bob may whisper', async () => {
    await bob.evaluate(() => window.whisper());
    return (await seen()).whispers.length > 0;
  });
  assert.deepEqual((await seen()).whispers[0], { on: true });
  await bob.evaluate(() => window.show(false));
  await sees('bob leaves', ({ leaving }) => leaving.includes('Bob'));
  // Listening can be interrupted.
  await ada.evaluate(() => window.stopListening());
  await publisher.trigger('private-orders.1', 'now-and-then', { n: 1 });
  await publisher.trigger('private-orders.1', 'one', { fence: true });
  await sees('what came later came', (all) => all.many.length === 3);
  await ada.evaluate(() => window.listenAgain());
  await publisher.trigger('private-orders.1', 'now-and-then', { n: 2 });
  await sees('it listens again', ({ stopped }) => stopped.length === 1 && stopped[0].n === 2);
  // With the component its channels go.
  await ada.evaluate(() => window.show(false));
  for (const name of channels) await until(`${name} is left`, async () => (await subscriptionsOf(server, name)) === 0);
  await server.stop();
  await until('it sees that the server is gone', async () => (await reads('#status')) !== 'connected');
  await server.start();
  await until('it is connected again', async () => (await reads('#status')) === 'connected', RESTART_DEADLINE_MS);
  assert.deepEqual(ada.complaints, []);
}, { '/vue.html': VUE_PAGE }));
