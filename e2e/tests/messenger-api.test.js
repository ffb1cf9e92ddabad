// The messenger as another program sees it: REST, and Echo for what happens meanwhile.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';

import { forOthers, logIn, Person, register } from '../lib/people.js';
import { connectEcho } from '../lib/pusherClient.js';
import { withServer } from '../lib/server.js';
import { Inbox, until } from '../lib/wait.js';

const withPeople = (body) =>
  // Programs are faster than people.
  withServer({ CHINWAG_RATE_LIMITS: 'false' }, async (server, t) => {
    const ada = await register(server, 'ada', 'Ada Lovelace');
    const bob = await register(server, 'bob', 'Bob Weaver');
    await body({ server, ada, bob, t });
  });

/** Stock Echo with a bearer token, as in a Laravel front end, and its user channel with the given events kept. */
async function listenAs(t, person, events) {
  const { key } = await person.get('/realtime/config');
  const application = { url: `${person.server.url}/broadcasting/auth` };
  const echo = await connectEcho(t, person.server, { key, application, token: person.token });
  const channel = echo.private(`user.${person.id}`);
  const inbox = new Inbox();
  for (const event of events) channel.listen(`.${event}`, (data) => inbox.push({ event, ...data }));
  await new Promise((resolve, reject) => channel.subscribed(resolve).error(reject));
  return { echo, inbox };
}

test('two people register, find each other and talk', withPeople(async ({ ada, bob }) => {
  assert.equal(ada.user.server_role, 'owner');
  assert.equal(bob.user.server_role, 'member');
  const found = await ada.get('/users?q=weav');
  assert.deepEqual(found.items.map(({ id }) => id), [bob.id]);
  const { id } = await ada.direct(bob);
  assert.equal((await bob.direct(ada)).id, id, 'there is one conversation of two people');
  const message = await ada.send(id, 'Zoë 👩‍👩‍👧\n"\\');
  assert.equal(message.body, 'Zoë 👩‍👩‍👧\n"\\');
  const [read] = await bob.history(id);
  assert.deepEqual(read, forOthers(message));
  assert.equal(message.status, 'sent');
  const item = await bob.item(id);
  assert.deepEqual([item.unread_count, item.peer.id, item.last_message.id], [1, ada.id, message.id]);
}));

test('receipts go forward only, and what is seen is not unread', withPeople(async ({ ada, bob }) => {
  const { id } = await ada.direct(bob);
  for (let n = 1; n <= 5; n += 1) await ada.send(id, `m${n}`);
  const receipt = (person, marks) => person.post('/receipts', { items: [{ conversation_id: id, ...marks }] });
  assert.equal((await bob.item(id)).unread_count, 5);
  assert.equal((await receipt(bob, { delivered_seq: 5, seen_seq: 3 })).items[0].unread_count, 2);
  const [lower] = (await receipt(bob, { delivered_seq: 1, seen_seq: 1 })).items;
  assert.deepEqual([lower.delivered_seq, lower.seen_seq, lower.unread_count], [5, 3, 2]);
  assert.equal((await receipt(bob, { seen_seq: 6 })).items[0].error, 'seq_out_of_range');
  assert.deepEqual((await ada.item(id)).receipts, { others_delivered_seq: 5, others_seen_seq: 3 });
  await bob.post(`/conversations/${id}/read`);
  assert.equal((await bob.item(id)).unread_count, 0);
  await bob.send(id, 'answer');
  assert.equal((await bob.item(id)).unread_count, 0, 'own messages are not unread');
}));

test('sending again with the same client_id is one message', withPeople(async ({ ada, bob, t }) => {
  const { id } = await ada.direct(bob);
  const { inbox } = await listenAs(t, bob, ['message.created']);
  const path = `/conversations/${id}/messages`;
  const draft = { client_id: randomUUID(), body: 'once' };
  const answers = await Promise.all(Array.from({ length: 8 }, () => ada.call('POST', path, draft)));
  const statuses = answers.map(({ status }) => status).sort();
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
  for (const { status, headers, body } of answers) {
    assert.equal(headers.get('idempotent-replay'), status === 200 ? 'true' : null);
    assert.equal(body.id, answers[0].body.id);
  }
  assert.equal((await ada.history(id)).length, 1);
  await until('the event comes for each attempt', () => inbox.all.length === 8);
  assert.equal(new Set(inbox.all.map(({ rev }) => rev)).size, 1);
  const conflict = await ada.call('POST', path, { ...draft, body: 'twice' });
  assert.deepEqual([conflict.status, conflict.body.code], [409, 'client_id_conflict']);
  const other = await bob.call('POST', path, draft);
  assert.equal(other.status, 201, 'another author may use the same client_id');
}));

test('who was away catches up by sync and changes, without a gap', withPeople(async ({ ada, bob }) => {
  const { id } = await ada.direct(bob);
  await ada.send(id, 'first');
  const before = await bob.get('/sync');
  const rev = before.items[0].conversation.last_rev;
  const sent = [];
  for (let n = 0; n < 120; n += 1) sent.push((await (n % 2 ? ada : bob).send(id, `m${n}`)).id);
  const items = [];
  let page = { cursor: before.cursor };
  do {
    page = await bob.get(`/sync?cursor=${encodeURIComponent(page.cursor)}`);
    items.push(...page.items);
  } while (page.has_more);
  assert.equal(items.at(-1).conversation.last_seq, 121);
  const caught = [];
  let after = rev;
  let changes;
  do {
    changes = await bob.get(`/conversations/${id}/changes?after_rev=${after}&limit=50`);
    caught.push(...changes.items);
    after = changes.upto_rev;
  } while (changes.has_more);
  assert.deepEqual(caught.map((message) => message.id), sent);
  assert.deepEqual(caught.map((message) => message.rev), Array.from({ length: 120 }, (_, n) => rev + 1 + n));
  const [batch] = (await bob.post('/sync/changes', { items: [{ conversation_id: id, after_rev: after - 2 }] })).items;
  assert.deepEqual([batch.conversation_id, batch.items.length, batch.has_more], [id, 2, false]);
  const bad = await bob.call('GET', '/sync?cursor=nonsense');
  assert.deepEqual([bad.status, bad.body.code], [400, 'cursor_invalid']);
}));

test('a stock Echo with a bearer token hears of messages and receipts', withPeople(async ({ ada, bob, t }) => {
  const events = ['conversation.added', 'message.created', 'receipt.updated'];
  const mine = await listenAs(t, ada, events);
  const { inbox } = await listenAs(t, bob, events);
  const { id } = await ada.direct(bob);
  const message = await ada.send(id, 'hello');
  const event = await inbox.take('the message', (e) => e.event === 'message.created');
  assert.deepEqual(event.message, forOthers(message));
  assert.deepEqual([event.v, event.conversation_id, event.rev], [1, id, message.rev]);
  await mine.inbox.take('the message on the author’s side', (e) => e.event === 'message.created');
  await bob.post('/receipts', { items: [{ conversation_id: id, delivered_seq: message.seq, seen_seq: message.seq }] });
  const receipt = await mine.inbox.take('the receipt', (e) => e.event === 'receipt.updated' && e.items[0].user_id === bob.id && e.items[0].seen_seq === message.seq);
  assert.equal(receipt.items[0].conversation_id, id);
}));

test('every revision is one event, in order, for each member', withPeople(async ({ ada, bob, t }) => {
  const { id } = await ada.direct(bob);
  const listeners = [await listenAs(t, ada, ['message.created']), await listenAs(t, bob, ['message.created'])];
  await Promise.all(Array.from({ length: 40 }, (_, n) => (n % 2 ? ada : bob).call('POST', `/conversations/${id}/messages`, { client_id: randomUUID(), body: `m${n}` })));
  const count = (await ada.history(id)).length;
  for (const { inbox } of listeners) {
    await until('all have come', () => inbox.all.length >= count);
    const revs = inbox.all.map(({ rev }) => rev);
    assert.deepEqual(revs, revs.map((_, n) => revs[0] + n));
  }
}));

test('members of a conversation see each other and whisper that they type', withPeople(async ({ ada, bob, t }) => {
  const { id } = await ada.direct(bob);
  const rooms = await Promise.all([ada, bob].map(async (person) => (await listenAs(t, person, [])).echo));
  const here = new Inbox();
  const [a, b] = rooms.map((echo) => echo.join(`conversation.${id}`));
  b.here((members) => here.push(members)).joining((member) => here.push([member]));
  const seen = new Set();
  await until('both are there', () => {
    here.all.flat().forEach((member) => seen.add(member.username));
    return seen.size === 2;
  });
  const typing = new Inbox();
  b.subscription.bind('client-typing', (data, metadata) => typing.push({ data, metadata }));
  a.whisper('typing', { kind: 'text', stop: false });
  assert.deepEqual(await typing.take('a whisper'), { data: { kind: 'text', stop: false }, metadata: { user_id: String(ada.id) } });
}));

test('nobody gets into channels or conversations of others', withPeople(async ({ server, ada, bob, t }) => {
  const eve = await register(server, 'eve');
  const { id } = await ada.direct(bob);
  const { echo } = await listenAs(t, eve, []);
  for (const path of ['/broadcasting/auth', '/api/v1/realtime/auth']) {
    for (const [channel, status] of [[`private-user.${ada.id}`, 403], [`presence-conversation.${id}`, 403],
      ['presence-conversation.999', 403], ['private-anything', 403], [`private-user.${eve.id}`, 200]]) {
      const answer = await fetch(`${server.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${eve.token}` },
        body: new URLSearchParams({ socket_id: echo.socketId(), channel_name: channel }),
      });
      assert.equal(answer.status, status, `${path} ${channel}`);
    }
    const body = new URLSearchParams({ socket_id: echo.socketId(), channel_name: `private-user.${ada.id}` });
    assert.equal((await fetch(`${server.url}${path}`, { method: 'POST', body })).status, 401);
    const malformed = await fetch(`${server.url}${path}`, {
      method: 'POST', headers: { authorization: `Bearer ${eve.token}` },
      body: new URLSearchParams({ socket_id: 'x', channel_name: `private-user.${eve.id}` }),
    });
    assert.equal(malformed.status, 422);
  }
  assert.equal((await eve.call('GET', `/conversations/${id}`)).status, 404);
  assert.equal((await eve.call('GET', `/conversations/${id}/messages`)).status, 404);
  const sent = await eve.call('POST', `/conversations/${id}/messages`, { client_id: randomUUID(), body: 'let me in' });
  assert.ok([403, 404].includes(sent.status));
  assert.equal((await ada.history(id)).length, 0);
}));

test('logging out ends this login and its sockets, and no other', withPeople(async ({ server, ada, t }) => {
  const other = await logIn(server, 'ada');
  const events = ['logout.required'];
  const [gone, stays] = [await listenAs(t, ada, events), await listenAs(t, other, events)];
  const socket = gone.echo.socketId();
  await ada.ask('POST', '/auth/logout');
  await until('the socket is closed', () => gone.echo.socketId() !== socket || gone.echo.connectionStatus() !== 'connected');
  assert.equal((await ada.call('GET', '/me')).status, 401);
  assert.equal((await other.get('/me')).id, ada.id);
  assert.equal(stays.echo.connectionStatus(), 'connected');
}));

test('what is wrong with a request is told in one shape', withPeople(async ({ server, ada }) => {
  const nobody = new Person(server);
  const cases = [
    [nobody, 'GET', '/me', undefined, 401, 'unauthenticated'],
    [ada, 'GET', '/nothing', undefined, 404, 'not_found'],
    [ada, 'DELETE', '/sync', undefined, 405, 'method_not_allowed'],
    [ada, 'GET', '/users?q=', undefined, 422, 'empty_query'],
    [ada, 'POST', '/conversations', { kind: 'direct', user_id: 999 }, 404, 'not_found'],
    [ada, 'POST', '/conversations', { kind: 'group', title: ' ', member_ids: [] }, 422, 'title_required'],
    [nobody, 'POST', '/auth/register', { username: 'ada', password: 'correct horse battery' }, 409, 'username_taken'],
    [nobody, 'POST', '/auth/register', { username: 'new', password: 'short' }, 422, 'password_too_short'],
    [nobody, 'POST', '/auth/login', { username: 'ada', password: 'wrong password' }, 401, 'invalid_credentials'],
    [nobody, 'POST', '/auth/login', { username: 'who', password: 'wrong password' }, 401, 'invalid_credentials'],
  ];
  for (const [person, method, path, body, status, code] of cases) {
    const answer = await person.call(method, path, body);
    assert.deepEqual([answer.status, answer.body.code, answer.body.status], [status, code, status], `${method} ${path}`);
    assert.match(answer.headers.get('content-type'), /^application\/problem\+json/);
    assert.ok(answer.headers.get('x-request-id'), path);
  }
}));
