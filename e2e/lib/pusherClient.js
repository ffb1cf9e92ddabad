// The stock pusher-js and laravel-echo, pointed at a server under test.

import Echo from 'laravel-echo';
import Pusher from 'pusher-js';

import { APP } from './reverb.js';
import { Inbox, until } from './wait.js';

function options(server, { application, token, ...more } = {}) {
  const headers = { Authorization: `Bearer ${token}` };
  const auth = application && {
    channelAuthorization: { endpoint: application.url, transport: 'ajax', headers },
    userAuthentication: { endpoint: application.userUrl, transport: 'ajax', headers },
  };
  const where = { wsHost: '127.0.0.1', wsPort: server.port, wssPort: server.port, forceTLS: false };
  return { cluster: '', ...where, enabledTransports: ['ws'], enableStats: false, ...auth, ...more };
}

/** pusher-js, about to connect. It is disconnected when the test `t` is over. */
export function newPusher(t, server, { key = APP.key, ...more } = {}) {
  const pusher = new Pusher(key, options(server, more));
  t.after(() => pusher.disconnect());
  return pusher;
}

export async function connectPusher(t, server, more) {
  const pusher = newPusher(t, server, more);
  await until('pusher-js is connected', () => pusher.connection.state === 'connected');
  return pusher;
}

/** laravel-echo, connected. `broadcaster` is `reverb` or `pusher`. */
export async function connectEcho(t, server, { broadcaster = 'reverb', application, token, key = APP.key, ...more } = {}) {
  const plain = options(server);
  // Not `bearerToken`: Echo 2.5 writes it into headers that all instances of a process share.
  const headers = { Authorization: `Bearer ${token}` };
  const userAuthentication = { endpoint: application?.userUrl, headers };
  const auth = application && { authEndpoint: application.url, auth: { headers }, userAuthentication };
  const echo = new Echo({ ...plain, key, ...auth, ...more, broadcaster, Pusher });
  t.after(() => echo.disconnect());
  await until('Echo is connected', () => echo.connectionStatus() === 'connected');
  return echo;
}

/** Subscribes, waits for the answer, and keeps every event of the channel as `{ event, data, metadata }`. */
export async function join(pusher, name) {
  const channel = pusher.subscribe(name);
  const inbox = keep(channel);
  const outcome = await inbox.take(`an answer to the subscription of ${name}`, ({ event }) =>
    /^pusher:subscription_(succeeded|error)$/.test(event),
  );
  return { channel, inbox, refused: outcome.event === 'pusher:subscription_error' ? outcome.data : null };
}

function keep(channel) {
  const inbox = new Inbox();
  channel.bind_global((event, data) => {
    if (!event.startsWith('client-')) inbox.push({ event, data });
  });
  return inbox;
}

/** Keeps a channel's events of one name, with what pusher-js says about their sender. */
export function keepEvent(channel, event) {
  const inbox = new Inbox();
  channel.bind(event, (data, metadata) => inbox.push({ data, metadata }));
  return inbox;
}
