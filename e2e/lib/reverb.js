// A Laravel application's side: the app it configures, and how it signs what it sends.

import { createHash, createHmac } from 'node:crypto';

import PusherServer from 'pusher';

import { freePort } from './server.js';

export const APP = { id: '100200', key: 'chinwag-key', secret: 'chinwag-secret' };

/** What a Reverb user has in the environment, and nothing else. */
export async function reverbEnvironment(more = {}) {
  return {
    REVERB_APP_ID: APP.id,
    REVERB_APP_KEY: APP.key,
    REVERB_APP_SECRET: APP.secret,
    REVERB_SERVER_HOST: '127.0.0.1',
    REVERB_SERVER_PORT: String(await freePort()),
    ...more,
  };
}

/** For `withServer`: the Reverb environment, and more. */
export const asReverb = (more) => () => reverbEnvironment(more);

/** The same app without Reverb's defaults. */
export const asChinwag = (more = {}) => ({
  CHINWAG_APP_ID: APP.id,
  CHINWAG_APP_KEY: APP.key,
  CHINWAG_APP_SECRET: APP.secret,
  ...more,
});

/** The stock server SDK. */
export function sdk(server, more = {}) {
  const options = { appId: APP.id, key: APP.key, secret: APP.secret, useTLS: false };
  return new PusherServer({ ...options, host: '127.0.0.1', port: String(server.port), ...more });
}

export const hmac = (text, secret = APP.secret) => createHmac('sha256', secret).update(text).digest('hex');

/** What lets a socket sign in as whom `userData` names. */
export const signUser = (socketId, userData, { key, secret } = APP) =>
  `${key}:${hmac(`${socketId}::user::${userData}`, secret)}`;

/** What an application's auth endpoint answers with. */
export function signChannel(socketId, channel, channelData, { key, secret } = APP) {
  const text = [socketId, channel, channelData].filter((part) => part !== undefined).join(':');
  return `${key}:${hmac(text, secret)}`;
}

/**
 * Calls the HTTP API with a request signed by hand, so that each part of it can be wrong. `wire` says how the query
 * is written into the address, after it was signed as it is.
 */
export async function signedRequest(server, method, path, change = {}) {
  const { body = '', now = Date.now(), key = APP.key, secret = APP.secret, headers = {} } = change;
  const { wire = (text) => text, signedPath = path } = change;
  const query = {
    auth_key: key,
    auth_timestamp: String(Math.floor(now / 1_000)),
    auth_version: '1.0',
    body_md5: body ? createHash('md5').update(body).digest('hex') : undefined,
    ...change.query,
  };
  const names = Object.keys(query).filter((name) => query[name] !== undefined).sort();
  const text = names.map((name) => `${name}=${query[name]}`).join('&');
  const signature = change.signature ?? hmac(`${method}\n${signedPath}\n${text}`, secret);
  const address = `${server.url}${path}?${wire(`${text}&auth_signature=${signature}`)}`;
  const sent = method === 'GET' ? undefined : (change.sent ?? body);
  const response = await fetch(address, { method, body: sent, headers });
  const answer = await response.text();
  const json = answer.startsWith('{') ? JSON.parse(answer) : null;
  return { status: response.status, text: answer, json, headers: response.headers };
}

/** The same with a body. */
export function signedPost(server, body, change = {}) {
  const { path = `/apps/${APP.id}/events` } = change;
  return signedRequest(server, 'POST', path, { body, ...change });
}

/** Asks the HTTP API; the path is the one behind the app's. */
export const ask = (server, path, query, more) =>
  signedRequest(server, 'GET', `/apps/${APP.id}${path}`, { query, ...more });

/** Publishes an event whose data is the text given. */
export const trigger = (server, event) => signedPost(server, JSON.stringify(event));

/** How many connections are subscribed to a channel. */
export async function subscriptionsOf(server, channel) {
  const { json } = await ask(server, `/channels/${channel}`, { info: 'subscription_count' });
  return json.subscription_count;
}
