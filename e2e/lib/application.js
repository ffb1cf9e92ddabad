// An application of the kind that Chinwag's users have: an endpoint that says who may join which channel.

import { once } from 'node:events';
import { createServer } from 'node:http';

/**
 * Serves `/broadcasting/auth` with the stock SDK. `user` is found by the bearer token; `users` maps tokens to
 * `{ id, info }`. Channels with `forbidden` in their names are nobody's.
 */
export async function startApplication(sdk, users) {
  const calls = [];
  const listener = createServer(async (request, response) => {
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const form = new URLSearchParams(body);
    const [socketId, channel] = [form.get('socket_id'), form.get('channel_name')];
    const user = users[request.headers.authorization?.replace('Bearer ', '') ?? ''];
    calls.push({ channel, socketId, user });
    const answer = (status, value) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value));
    };
    if (!user || channel.includes('forbidden')) return answer(403, { message: '' });
    const member = { user_id: user.id, user_info: user.info };
    const presence = channel.startsWith('presence-');
    return answer(200, sdk.authorizeChannel(socketId, channel, presence ? member : undefined));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  return {
    url: `http://127.0.0.1:${listener.address().port}/broadcasting/auth`,
    calls,
    close: () => {
      listener.close();
      listener.closeAllConnections();
    },
  };
}
