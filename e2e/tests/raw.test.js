// Clients that no library would be: wrong, slow, silent, greedy or gone.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';

import { closing } from '../lib/frames.js';
import { APP, sdk, signedPost, trigger } from '../lib/reverb.js';
import { subscriptionCount, withSockets } from '../lib/sockets.js';
import { frame, handshake } from '../lib/tcp.js';
import { until, within } from '../lib/wait.js';

// --- the WebSocket protocol

test('frames against the WebSocket protocol end the connection, with the code that says why', withSockets({}, async ({ tcp }) => {
  const cases = [
    ['not masked', frame('{"event":"pusher:ping"}', { masked: false }), [1002]],
    ['a reserved bit', frame('{}', { first: 0xc1 }), [1002]],
    ['an unknown opcode', frame('{}', { first: 0x83 }), [1002]],
    ['a continuation of nothing', frame('{}', { first: 0x80 }), [1002]],
    ['a ping in parts', frame('', { first: 0x09 }), [1002]],
    ['a ping too long', frame('x'.repeat(126), { first: 0x89 }), [1002]],
    ['text that is not UTF-8', frame(Buffer.of(0xff, 0xfe)), [1007]],
    ['a length of 2^62', Buffer.concat([Buffer.of(0x81, 0xff, 0x40), Buffer.alloc(11)]), [1009, 1002]],
  ];
  await Promise.all(cases.map(async ([what, bytes, codes]) => {
    const socket = await tcp();
    socket.write(handshake());
    await socket.receives('connection_established');
    const before = socket.received.length;
    socket.write(bytes);
    await socket.isCut();
    const after = socket.received.subarray(before);
    const at = after.indexOf(0x88);
    assert.ok(at >= 0, `${what}: a close frame comes, not only ${after.toString('latin1')}`);
    assert.ok(codes.includes(after.readUInt16BE(at + 2)), `${what}: ${after.readUInt16BE(at + 2)}`);
  }));
}));

test('a client that says goodbye is answered with its own code', withSockets({}, async ({ open }) => {
  const frames = await open();
  frames.ws.close(1000, 'bye');
  assert.equal((await closing(frames)).code, 1000);
}));

// --- greed and sloth

test('a request that never gets finished is cut off, and costs others nothing', withSockets(
  { CHINWAG_HEAD_TIMEOUT_S: '1' },
  async ({ open, tcp }) => {
    const slow = await Promise.all(Array.from({ length: 30 }, () => tcp()));
    slow.forEach((socket) => socket.write(`GET /app/${APP.key} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: `));
    const dripping = setInterval(() => slow.forEach((socket) => socket.write('a')), 100);
    try {
      await (await open()).fence();
      await Promise.all(slow.map((socket) => socket.isCut(10_000)));
    } finally {
      clearInterval(dripping);
    }
  },
));

test('hundreds of connections that say nothing cost others nothing', withSockets({ CHINWAG_HEAD_TIMEOUT_S: '2' }, async ({ server, open, tcp }) => {
  const idle = await Promise.all(Array.from({ length: 500 }, () => tcp()));
  const frames = await open();
  await frames.subscribed('room');
  await trigger(server, { name: 'n', channel: 'room', data: '1' });
  await frames.next('n', 2_000);
  await Promise.all(idle.map((socket) => socket.isCut()));
}));

const BODY_BYTES = 10 * 1024 * 1024;

/** The most memory the server has ever had, in kB. */
const peakKb = async ({ pid }) => Number((await readFile(`/proc/${pid}/status`, 'utf8')).match(/VmHWM:\s+(\d+)/)[1]);

test('an event of 10 MB is refused before it is there, and many cost little memory', withSockets({}, async ({ server, tcp }) => {
  const path = `/apps/${APP.id}/events`;
  for (const framing of [`Content-Length: ${BODY_BYTES}`, 'Transfer-Encoding: chunked']) {
    const socket = await tcp();
    socket.write(`POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${framing}\r\n\r\n`);
    for (let n = 0; n < 20; n += 1) socket.write(`10000\r\n${'x'.repeat(65_536)}\r\n`);
    await Promise.race([socket.isCut(), socket.receives('\r\n\r\n')]);
    assert.match(socket.text, /^HTTP\/1\.1 413 /, framing);
  }
  // 20 bodies would be 200 MB; one of the largest allowed size for each is 20 MB.
  const allowedKb = (await peakKb(server)) + 50_000;
  const body = JSON.stringify({ name: 'n', channels: ['c'], data: 'x'.repeat(BODY_BYTES) });
  const answers = await Promise.all(Array.from({ length: 20 }, () => signedPost(server, body).catch(() => null)));
  // Some clients only see that the connection ends while they are still sending.
  assert.ok(answers.every((answer) => answer === null || answer.status === 413));
  assert.ok((await peakKb(server)) < allowedKb, `${await peakKb(server)} kB at most, ${allowedKb} allowed`);
  assert.equal((await trigger(server, { name: 'n', channel: 'c', data: '1' })).status, 200);
}));

for (const path of ['/api/v1/auth/register', '/api/v1/auth/login', '/api/v1/conversations', '/broadcasting/auth']) {
  test(`10 MB sent to ${path} are answered, not cut off without a word`, withSockets({}, async ({ tcp }) => {
    const socket = await tcp();
    const head = `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n`;
    socket.write(`${head}Content-Length: ${BODY_BYTES}\r\n\r\n`);
    for (let n = 0; n < 40; n += 1) socket.write('x'.repeat(65_536));
    // Reading it to the end is not needed, but the answer must get there: 413, or 401 where nobody is logged in.
    await Promise.race([socket.isCut(), socket.receives('\r\n\r\n')]);
    assert.match(socket.text, /^HTTP\/1\.1 (413|401) /);
  }));
}

test('who goes on sending after being told 1009 is heard to the end of it and let go', withSockets({}, async ({ open, tcp }) => {
  const socket = await tcp();
  socket.write(handshake());
  await socket.receives('connection_established');
  const bytes = frame('x'.repeat(70_000));
  socket.write(bytes.subarray(0, 20));
  await socket.receives('\x03\xf1Maximum message size exceeded');
  socket.write(bytes.subarray(20));
  socket.write(frame(Buffer.of(0x03, 0xf1), { first: 0x88 }));
  await socket.isCut();
  await (await open()).fence();
}));

test('a frame announced as too long is not gathered in memory while the connection is being closed', withSockets({}, async ({ server, tcp }) => {
  const socket = await tcp();
  socket.write(handshake());
  await socket.receives('connection_established');
  const before = await peakKb(server);
  socket.write(Buffer.concat([Buffer.of(0x82, 0xff), Buffer.from('0000010000000000', 'hex'), Buffer.alloc(4)]));
  const part = Buffer.alloc(1024 * 1024);
  let cut = false;
  socket.ended.then(() => (cut = true));
  for (let n = 0; n < 200 && !cut; n += 1) {
    const taken = new Promise((resolve) => socket.socket.write(part, resolve));
    await within('what is sent is read or the connection ended', Promise.race([taken, socket.ended]));
  }
  const grownKb = (await peakKb(server)) - before;
  assert.ok(grownKb < 20_000, `${grownKb} kB for one client that was told 1009`);
}));

test('who never reads is closed, while others get everything in order', withSockets(
  { CHINWAG_QUEUE_BYTES_MAX: '524288' },
  async ({ server, open }) => {
    const [reader, sloth] = [await open(), await open()];
    for (const frames of [reader, sloth]) await frames.subscribed('flood');
    sloth.ws._socket.pause();
    const padding = 'x'.repeat(10_000);
    const publisher = sdk(server);
    const numbers = [];
    reader.ws.on('message', (data) => {
      const { event, data: text } = JSON.parse(String(data));
      if (event === 'n') numbers.push(JSON.parse(text).n);
    });
    let sent = 0;
    // A fifth of a megabyte at a time, so that the reader never has as much before it as the sloth may have.
    const publish = async () => {
      for (let n = 0; n < 20; n += 1) await publisher.trigger('flood', 'n', { n: sent++, padding });
      await until('the reader has all', () => numbers.length >= sent);
    };
    await until('the sloth is closed', async () => {
      await publish();
      return (await subscriptionCount(server, 'flood')) === 1;
    }, 60_000);
    await publish();
    assert.deepEqual(numbers, Array.from({ length: sent }, (_, n) => n));
    sloth.ws._socket.resume();
    const { code } = await closing(sloth);
    assert.ok([4100, 1006].includes(code), `a code that lets it come back, not ${code}`);
  },
));

test('heads that are too long or no HTTP at all are refused', withSockets({}, async ({ open, tcp }) => {
  for (const text of ['\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'nonsense\r\n\r\n', `GET / HTTP/1.1\r\nX: ${'x'.repeat(100_000)}`]) {
    const socket = await tcp();
    socket.write(Buffer.from(text, 'latin1'));
    await socket.isCut();
    assert.match(socket.text, /^(HTTP\/1\.1 4\d\d |$)/);
  }
  await (await open()).fence();
}));

// --- stopping

test('at SIGTERM clients are told to come back, and the process ends by itself', withSockets({}, async ({ server, open, tcp }) => {
  const clients = await Promise.all(Array.from({ length: 100 }, () => open()));
  await Promise.all(clients.map((frames, n) => frames.subscribed(`room-${n % 3}`)));
  const keptAlive = await tcp();
  keptAlive.write('GET /up HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await keptAlive.receives('"OK"');
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
  for (const frames of clients) {
    const { code, reason } = await closing(frames);
    assert.equal(code, 4100);
    assert.ok(reason);
  }
}));

test('a request that never gets finished does not hold up a restart', withSockets({}, async ({ server, open, tcp }) => {
  const frames = await open();
  const halfOpen = await tcp();
  halfOpen.write('GET / HTTP/1.1\r\n');
  // When this is answered, the server has seen the other one too.
  await fetch(`${server.url}/up`).then((response) => response.text());
  const ended = server.stop();
  assert.equal((await closing(frames, 5_000)).code, 4100);
  assert.deepEqual(await ended, { code: 0, signal: null });
}));

test('a client that does not read does not keep the process from ending', withSockets({}, async ({ server, open }) => {
  const sloth = await open();
  await sloth.subscribed('flood');
  sloth.ws._socket.pause();
  const publisher = sdk(server);
  for (let n = 0; n < 50; n += 1) await publisher.trigger('flood', 'n', 'x'.repeat(10_000));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
}));
