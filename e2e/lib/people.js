// A person of the messenger, over REST.

import { randomUUID } from 'node:crypto';

export const PASSWORD = 'correct horse battery';

export class Person {
  constructor(server, token = null, user = null) {
    this.server = server;
    this.token = token;
    this.user = user;
  }

  get id() {
    return this.user.id;
  }

  /** Calls the API; returns `{ status, body, headers }`, whatever the status. */
  async call(method, path, body, headers = {}) {
    const response = await fetch(`${this.server.url}/api/v1${path}`, {
      method,
      headers: {
        ...(this.token && { authorization: `Bearer ${this.token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, body: text ? JSON.parse(text) : null, headers: response.headers };
  }

  /** Calls the API and returns the body of a success. */
  async ask(method, path, body) {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  get = (path) => this.ask('GET', path);
  post = (path, body = {}) => this.ask('POST', path, body);

  send(conversationId, body, clientId = randomUUID(), more = {}) {
    return this.post(`/conversations/${conversationId}/messages`, { client_id: clientId, body, ...more });
  }

  async direct(other) {
    return (await this.post('/conversations', { kind: 'direct', user_id: other.id })).conversation;
  }

  item(conversationId) {
    return this.get(`/conversations/${conversationId}`);
  }

  /** Every message of a conversation, oldest first, page by page. */
  async history(conversationId) {
    const messages = [];
    let page;
    do {
      const after = messages.at(-1)?.seq ?? 0;
      page = await this.get(`/conversations/${conversationId}/messages?after=${after}&limit=100`);
      messages.push(...page.items);
    } while (page.has_more_after);
    return messages;
  }
}

export async function register(server, username, displayName) {
  const person = new Person(server);
  const wish = { username, password: PASSWORD, ...(displayName && { display_name: displayName }) };
  const { token, user } = await person.post('/auth/register', wish);
  return Object.assign(person, { token, user });
}

export async function logIn(server, username) {
  const person = new Person(server);
  const { token, user } = await person.post('/auth/login', { username, password: PASSWORD });
  return Object.assign(person, { token, user });
}

/** A message that its author was told of, as others know it: how far it has come is for the author alone. */
export function forOthers({ status, ...message }) {
  return message;
}
