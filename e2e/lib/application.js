// An application of the kind that Chinwag's users have: endpoints that say who may join which channel and who is
// signed in, and, for browsers, a page with published packages.

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';

/**
 * Serves `/broadcasting/auth` and `/broadcasting/user-auth` with the stock SDK. `user` is found by the bearer token;
 * `users` maps tokens to `{ id, info }`. Channels with `forbidden` in their names are nobody's. `pages` maps paths to
 * the text of a page, or to the URL of a file.
 */
export async function startApplication(sdk, users, pages = {}) {
  const calls = [];
  const listener = createServer(async (request, response) => {
    const answer = (status, value, type = 'application/json') => {
      response.writeHead(status, { 'content-type': type }).end(type === 'application/json' ? JSON.stringify(value) : value);
    };
    const { pathname } = new URL(request.url, 'http://127.0.0.1');
    const page = pages[pathname];
    if (page instanceof URL) return answer(200, await readFile(page), 'text/javascript');
    if (page) return answer(200, page, pathname.endsWith('.js') ? 'text/javascript' : 'text/html');
    if (request.method !== 'POST') return answer(204, '', 'text/plain');
    let body = '';
    for await (const part of request.setEncoding('utf8')) body += part;
    const form = new URLSearchParams(body);
    const [socketId, channel] = [form.get('socket_id'), form.get('channel_name')];
    const user = users[request.headers.authorization?.replace('Bearer ', '') ?? ''];
    calls.push({ pathname, channel, socketId, user });
    if (!user) return answer(403, { message: '' });
    if (pathname === '/broadcasting/user-auth') {
      return answer(200, sdk.authenticateUser(socketId, { id: String(user.id), user_info: user.info }));
    }
    if (channel.includes('forbidden')) return answer(403, { message: '' });
    const member = { user_id: user.id, user_info: user.info };
    const presence = channel.startsWith('presence-');
    return answer(200, sdk.authorizeChannel(socketId, channel, presence ? member : undefined));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const origin = `http://127.0.0.1:${listener.address().port}`;
  return {
    origin,
    url: `${origin}/broadcasting/auth`,
    userUrl: `${origin}/broadcasting/user-auth`,
    calls,
    close: () => {
      listener.close();
      listener.closeAllConnections();
    },
  };
}
