// What was acknowledged is kept, whatever happens to the process.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';

import { forOthers, Person, register } from '../lib/people.js';
import { withPostgres } from '../lib/postgres.js';
import { withServer } from '../lib/server.js';
import { until } from '../lib/wait.js';

/** Kills; more of them take longer and find more. */
const ROUNDS = Number(process.env.CHINWAG_TEST_KILLS ?? 10);
const SENDERS = 8;
/** Sends acknowledged in a round before the server is killed: at least 1, at most this. */
const ACKNOWLEDGED_MAX = 120;

/** Repeatable random numbers (mulberry32). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const range = (from, to) => Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Kills the server in the middle of its work, again and again. */
async function survivesKills(server, t) {
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  t.diagnostic(`SEED=${seed}`);
  const next = random(seed);
  const authors = [];
  for (let n = 0; n < SENDERS; n += 1) authors.push(await register(server, `sender${n}`));
  const reader = await register(server, 'reader');
  const group = await authors[0].post('/conversations', {
    kind: 'group',
    title: 'Everybody',
    member_ids: [...authors.slice(1), reader].map(({ id }) => id),
  });
  const id = group.conversation.id;
  const systemSeq = group.conversation.last_seq;
  const acknowledged = new Map();
  const all = new Map();

  /** Sends until the message is acknowledged or the server is gone; returns whether it was acknowledged. */
  async function attempt(author, clientId) {
    const { body } = all.get(clientId);
    const path = `/conversations/${id}/messages`;
    const answer = await author.call('POST', path, { client_id: clientId, body }).catch(() => null);
    if (!answer) return false;
    assert.ok([200, 201].includes(answer.status), `${answer.status} ${JSON.stringify(answer.body)}`);
    const known = acknowledged.get(clientId);
    if (known) assert.equal(answer.body.id, known.id);
    acknowledged.set(clientId, answer.body);
    return true;
  }

  for (let round = 0; round < ROUNDS; round += 1) {
    const killAt = acknowledged.size + 1 + Math.floor(next() * ACKNOWLEDGED_MAX);
    let up = true;
    const unacknowledged = [];
    const sending = authors.map(async (author, n) => {
      while (up) {
        const clientId = randomUUID();
        all.set(clientId, { author: author.id, body: `round ${round} from ${n}: ${all.size}` });
        if (!(await attempt(author, clientId))) unacknowledged.push([author, clientId]);
      }
    });
    await until('some sends are acknowledged', () => acknowledged.size >= killAt, 60_000);
    await server.kill();
    up = false;
    await Promise.all(sending);
    await server.start();
    for (const [author, clientId] of unacknowledged) assert.ok(await attempt(author, clientId));
  }
  assert.equal(acknowledged.size, all.size);

  const history = await reader.history(id);
  const texts = history.filter(({ kind }) => kind === 'text');
  assert.equal(texts.length, all.size, 'as many as were sent');
  assert.equal(new Set(texts.map((message) => message.client_id)).size, all.size);
  for (const message of texts) {
    const { author, body } = all.get(message.client_id);
    assert.deepEqual([message.author_id, message.body], [author, body]);
    const told = acknowledged.get(message.client_id);
    assert.deepEqual([message.id, message.seq, message.rev], [told.id, told.seq, told.rev]);
  }
  const last = systemSeq + all.size;
  assert.deepEqual(history.map(({ seq }) => seq), range(1, last), 'no hole in the sequence');
  const revs = [];
  // What a client may be behind without having to start afresh.
  const behindMax = 2_000;
  let after = Math.max(0, (await reader.item(id)).conversation.last_rev - behindMax);
  for (let more = true; more;) {
    const changes = await reader.get(`/conversations/${id}/changes?after_rev=${after}&limit=100`);
    assert.ok(!changes.reset);
    revs.push(...changes.items.map(({ rev }) => rev));
    [after, more] = [changes.upto_rev, changes.has_more];
  }
  const item = await reader.item(id);
  assert.deepEqual(revs, [...revs].sort((a, b) => a - b));
  assert.deepEqual(texts.map(({ rev }) => rev), range(texts[0].rev, texts[0].rev + all.size - 1), 'no hole in the revisions');
  assert.deepEqual([after, item.conversation.last_rev], [texts.at(-1).rev, texts.at(-1).rev]);
  assert.equal(item.conversation.last_seq, last);
  const unread = Math.min(all.size, 999);
  assert.deepEqual([item.unread_count, item.unread_capped], [unread, all.size > 999]);
  for (const author of authors) {
    const { my, unread_count: count } = await author.item(id);
    const others = texts.filter((message) => message.author_id !== author.id && message.seq > my.seen_seq).length;
    assert.equal(count, Math.min(others, 999));
  }
  t.diagnostic(`${all.size} messages through ${ROUNDS} kills`);
}

const environment = { CHINWAG_RATE_LIMITS: 'false' };
const onPostgres = (body) => withPostgres(
  (database) => withServer({ ...environment, CHINWAG_DATABASE_URL: database.url }, (server, t) => body(server, t, database)),
  { durable: true },
);

test('no message that was acknowledged is lost or doubled when the server is killed', withServer(environment, survivesKills));
test('nor on PostgreSQL', onPostgres(survivesKills));

test('while PostgreSQL is away nothing is acknowledged, and then all goes on', onPostgres(async (server, t, database) => {
  const ada = await register(server, 'ada');
  const { id } = await ada.direct(ada);
  const path = `/conversations/${id}/messages`;
  const acknowledged = new Map();
  const refused = [];
  let sending = true;
  let away = 0;
  const senders = Array.from({ length: 4 }, async () => {
    while (sending) {
      const clientId = randomUUID();
      const answer = await ada.call('POST', path, { client_id: clientId, body: 'is anybody there?' });
      if (answer.status === 201) acknowledged.set(clientId, answer.body);
      else {
        assert.deepEqual([answer.status, answer.body.code], [503, 'unavailable']);
        assert.ok(Number(answer.headers.get('retry-after')) > 0);
        refused.push(clientId);
        away += 1;
      }
    }
  });
  const ready = async () => (await fetch(`${server.url}/ready`)).status;
  for (const end of ['stop', 'kill', 'stop']) {
    const before = acknowledged.size;
    await until('sends are acknowledged', () => acknowledged.size > before + 20, 30_000);
    const refusedBefore = away;
    await database.order(end);
    await until('sends are refused', () => away > refusedBefore, 30_000);
    assert.equal(await ready(), 503);
    await database.order('start');
    await until('the server is ready again', async () => (await ready()) === 200, 30_000);
  }
  const before = acknowledged.size;
  await until('sends are acknowledged again', () => acknowledged.size > before + 20, 30_000);
  sending = false;
  await Promise.all(senders);
  // What was refused may be there all the same, if only the answer of the database was lost; sent again it is there once.
  for (const clientId of refused) {
    const answer = await ada.call('POST', path, { client_id: clientId, body: 'is anybody there?' });
    assert.ok([200, 201].includes(answer.status));
    acknowledged.set(clientId, answer.body);
  }
  const history = await ada.history(id);
  assert.deepEqual(history.map(({ seq }) => seq), range(1, acknowledged.size));
  assert.deepEqual(history.map(({ rev }) => rev), range(1, acknowledged.size));
  for (const message of history) assert.equal(message.id, acknowledged.get(message.client_id)?.id);
  t.diagnostic(`${acknowledged.size} messages, of which ${refused.length} were refused at first`);
}));

test('people, logins and receipts survive a kill', withServer({}, async (server) => {
  const [ada, bob] = [await register(server, 'ada'), await register(server, 'bob')];
  const { id } = await ada.direct(bob);
  const message = await ada.send(id, 'hello');
  await bob.post('/receipts', { items: [{ conversation_id: id, delivered_seq: message.seq, seen_seq: message.seq }] });
  await server.restart('SIGKILL');
  assert.deepEqual((await ada.item(id)).receipts, { others_delivered_seq: message.seq, others_seen_seq: message.seq });
  const again = new Person(server, bob.token, bob.user);
  assert.equal((await again.get('/me')).username, 'bob');
  assert.deepEqual(await again.history(id), [forOthers(message)]);
  assert.deepEqual((await ada.history(id)).map(({ status }) => status), ['seen']);
  const taken = await new Person(server).call('POST', '/auth/register', { username: 'ada', password: 'correct horse battery' });
  assert.equal(taken.status, 409);
}));
