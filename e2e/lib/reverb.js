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

const hmac = (text, secret = APP.secret) => createHmac('sha256', secret).update(text).digest('hex');

/** What an application's auth endpoint answers with. */
export function signChannel(socketId, channel, channelData, { key, secret } = APP) {
  const text = [socketId, channel, channelData].filter((part) => part !== undefined).join(':');
  return `${key}:${hmac(text, secret)}`;
}

/** Calls the HTTP API with a body signed by hand, so that each part of it can be wrong. */
export async function signedPost(server, body, change = {}) {
  const { path = `/apps/${APP.id}/events`, now = Date.now(), secret = APP.secret, headers = {} } = change;
  const query = {
    auth_key: APP.key,
    auth_timestamp: String(Math.floor(now / 1_000)),
    auth_version: '1.0',
    body_md5: createHash('md5').update(body).digest('hex'),
    ...change.query,
  };
  const names = Object.keys(query).filter((name) => query[name] !== undefined).sort();
  const text = names.map((name) => `${name}=${query[name]}`).join('&');
  const signature = change.signature ?? hmac(`POST\n${path}\n${text}`, secret);
  const address = `${server.url}${path}?${text}&auth_signature=${signature}`;
  const response = await fetch(address, { method: 'POST', body: change.sent ?? body, headers });
  const answer = await response.text();
  return { status: response.status, text: answer, json: answer.startsWith('{') ? JSON.parse(answer) : null };
}

/** Publishes an event whose data is the text given. */
export const trigger = (server, event) => signedPost(server, JSON.stringify(event));
