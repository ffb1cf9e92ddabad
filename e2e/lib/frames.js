// A bare WebSocket that keeps every frame it gets, for what no client library would send.

import { once } from 'node:events';

import WebSocket from 'ws';

import { APP } from './reverb.js';
import { Inbox, within } from './wait.js';

export class Frames {
  inbox = new Inbox();
  pings = new Inbox();
  pongs = new Inbox();

  constructor(ws) {
    this.ws = ws;
    ws.on('message', (data) => this.inbox.push(JSON.parse(String(data))));
    ws.on('ping', (data) => this.pings.push(String(data)));
    ws.on('pong', (data) => this.pongs.push(String(data)));
    ws.on('error', () => {});
    this.closed = once(ws, 'close').then(([code, reason]) => ({ code, reason: String(reason) }));
  }

  send(frame) {
    this.ws.send(typeof frame === 'string' || Buffer.isBuffer(frame) ? frame : JSON.stringify(frame));
  }

  /** The next frame with this event name. */
  next(event, deadlineMs) {
    return this.inbox.take(`a frame ${event}`, (frame) => frame.event === event, deadlineMs);
  }

  subscribe(channel, more = {}) {
    this.send({ event: 'pusher:subscribe', data: { channel, ...more } });
  }

  async subscribed(channel, more = {}) {
    this.subscribe(channel, more);
    return this.next('pusher_internal:subscription_succeeded');
  }

  /** Asks for a pong: whatever the server had to say to earlier frames has come when this returns. */
  async fence() {
    this.send({ event: 'pusher:ping', data: {} });
    await this.next('pusher:pong');
  }

  close() {
    this.ws.terminate();
  }
}

/** Opens a socket; with `greeted`, returns when the server has given it its id. */
export async function openFrames(server, how = {}) {
  const { key = APP.key, query = '?protocol=7', prefix = '', greeted = true, ...options } = how;
  const address = `${server.url.replace('http', 'ws')}${prefix}/app/${key}${query}`;
  const frames = new Frames(new WebSocket(address, options.protocols ?? [], { perMessageDeflate: false, ...options }));
  if (greeted) {
    const hello = await frames.next('pusher:connection_established');
    frames.hello = JSON.parse(hello.data);
    frames.socketId = frames.hello.socket_id;
  }
  return frames;
}

/** How a socket was closed. */
export const closing = (frames, deadlineMs) => within('the socket is closed', frames.closed, deadlineMs);
