// An application's side of webhooks: an address that keeps what it is told.

import { once } from 'node:events';
import { createServer } from 'node:http';

import { asChinwag } from './reverb.js';
import { withSockets } from './sockets.js';
import { Inbox } from './wait.js';

export class Hooks {
  /** Every request: `{ headers, body, sentAt }`. */
  requests = new Inbox();
  /** Every event that was accepted. */
  events = new Inbox();
  /** The next answers; when there are none left, everything is accepted. */
  answers = [];

  async open() {
    this.listener = createServer(async (request, response) => {
      let body = '';
      for await (const part of request.setEncoding('utf8')) body += part;
      const status = this.answers.shift() ?? 200;
      this.requests.push({ method: request.method, headers: request.headers, body, status });
      response.writeHead(status).end();
      if (status < 300) JSON.parse(body).events.forEach((event) => this.events.push(event));
    });
    this.listener.listen(0, '127.0.0.1');
    await once(this.listener, 'listening');
    this.url = `http://127.0.0.1:${this.listener.address().port}/hook`;
    return this;
  }

  next(name, deadlineMs) {
    return this.events.take(`a webhook ${name}`, (event) => event.name === name, deadlineMs);
  }

  /** What was told about a channel, in its order. */
  about(channel) {
    return this.events.all.filter((event) => event.channel === channel);
  }

  close() {
    this.listener.close();
    this.listener.closeAllConnections();
  }
}

/** `withSockets`, for an app whose webhooks go to `hooks`. `more` are variables, `table` more lines of the webhook. */
export const withHooks = (more, body, { table = '' } = {}) => async (t) => {
  const hooks = await new Hooks().open();
  t.after(() => hooks.close());
  const environment = asChinwag({ CHINWAG_WEBHOOK_PRIVATE_ADDRESSES: 'true', ...more });
  const settings = `[[app.webhooks]]\nurl = "${hooks.url}"\n${table}`;
  await withSockets(() => environment, (all) => body({ ...all, hooks }), { settings })(t);
};
