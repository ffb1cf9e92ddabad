// Tests with bare sockets: what a client says is written out, and so is what it hears.

import assert from 'node:assert/strict';

import { openFrames } from './frames.js';
import { asChinwag, signChannel, trigger } from './reverb.js';
import { withServer } from './server.js';
import { openTcp } from './tcp.js';

/** A server, `open()` for WebSockets and `tcp()` for what is no WebSocket, all closed when the test is over. */
export const withSockets = (more, body, options) =>
  withServer(typeof more === 'function' ? more : asChinwag(more), async (server, t) => {
    const open = async (how) => {
      const frames = await openFrames(server, how);
      t.after(() => frames.close());
      return frames;
    };
    const tcp = async () => {
      const socket = await openTcp(server);
      t.after(() => socket.close());
      return socket;
    };
    await body({ server, t, open, tcp });
  }, options);

/** Joins a presence channel as the application would allow it. */
export function joinAs(frames, channel, member) {
  const data = typeof member === 'string' ? member : JSON.stringify(member);
  return frames.subscribe(channel, { auth: signChannel(frames.socketId, channel, data), channel_data: data });
}

/** The same, and what the channel says of who is there. */
export async function joinedAs(frames, channel, member) {
  joinAs(frames, channel, member);
  const { data } = await frames.next('pusher_internal:subscription_succeeded');
  return JSON.parse(data).presence;
}

/** Subscribes to a private channel as the application would allow it. */
export const admitted = (frames, channel, keys) =>
  frames.subscribed(channel, { auth: signChannel(frames.socketId, channel, undefined, keys) });

/** The frame that tells a refusal, and the one by which Echo learns of it. */
export async function refused(frames) {
  const { data } = await frames.next('pusher:error');
  const follow = await frames.inbox.take('what follows the error');
  assert.equal(follow.event, 'pusher:subscription_error');
  return { ...data, channel: follow.channel, ...JSON.parse(follow.data) };
}

export async function subscriptionCount(server, channel) {
  const answer = await trigger(server, { name: 'probe', channel, data: '1', info: 'subscription_count' });
  return answer.json.channels[channel].subscription_count;
}

/** The frames of a channel that have come, in their order. */
export const onChannel = (frames, channel) => frames.inbox.all.filter((frame) => frame.channel === channel);

/** How often a frame with this event name has come. */
export const count = (frames, event) => frames.inbox.all.filter((frame) => frame.event === event).length;
