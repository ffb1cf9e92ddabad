// Bare sockets, for clients that are broken, slow or hostile.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';

import { APP } from './reverb.js';
import { until, within } from './wait.js';

export class Tcp {
  received = Buffer.alloc(0);

  constructor(port) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('error', () => {});
    this.socket.on('data', (part) => {
      this.received = Buffer.concat([this.received, part]);
    });
    this.open = once(this.socket, 'connect');
    this.ended = new Promise((resolve) => {
      this.socket.once('end', resolve);
      this.socket.once('close', resolve);
    });
  }

  get text() {
    return this.received.toString('latin1');
  }

  write(data) {
    this.socket.write(data);
  }

  /** Waits until what came contains the text or fits the pattern. */
  async receives(what, deadlineMs) {
    const fits = () => (typeof what === 'string' ? this.text.includes(what) : what.test(this.text));
    await until(`${what} comes (so far: ${this.text.slice(0, 200)})`, fits, deadlineMs);
    return this.text;
  }

  isCut(deadlineMs) {
    return within('the server ends the connection', this.ended, deadlineMs);
  }

  close() {
    this.socket.destroy();
  }
}

export async function openTcp(server) {
  const tcp = new Tcp(server.port);
  await tcp.open;
  return tcp;
}

/** The request that asks for a WebSocket. */
export function handshake(path = `/app/${APP.key}?protocol=7`) {
  const key = randomBytes(16).toString('base64');
  const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}`;
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${upgrade}\r\n\r\n`;
}

/** A client's frame (RFC 6455 §5.2), with whatever first byte is wanted; 0x81 is a whole text. */
export function frame(payload, { first = 0x81, masked = true } = {}) {
  const data = Buffer.from(payload);
  const mask = masked ? randomBytes(4) : Buffer.alloc(0);
  const flag = masked ? 0x80 : 0;
  let length;
  if (data.length < 126) length = Buffer.of(flag | data.length);
  else if (data.length < 65_536) length = Buffer.of(flag | 126, data.length >> 8, data.length & 0xff);
  else {
    length = Buffer.alloc(9);
    length[0] = flag | 127;
    length.writeBigUInt64BE(BigInt(data.length), 1);
  }
  const body = masked ? data.map((byte, at) => byte ^ mask[at % 4]) : data;
  return Buffer.concat([Buffer.of(first), length, mask, body]);
}
