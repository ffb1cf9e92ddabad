// Runs the built binary on a port and in a folder of its own, and leaves nothing behind.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { within } from './wait.js';

const STOP_DEADLINE_MS = 25_000;
const STDERR_LINES_KEPT = 200;

/** The binary under test. */
export function binary() {
  const built = (profile) => fileURLToPath(new URL(`../../target/${profile}/chinwag`, import.meta.url));
  const candidates = [process.env.CHINWAG_BIN, built('release'), built('debug')];
  const found = candidates.find((path) => path && existsSync(path));
  if (!found) throw new Error('no binary: build Chinwag, or say in CHINWAG_BIN where it is');
  return found;
}

/** A port that was free a moment ago. */
export async function freePort() {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address();
  listener.close();
  await once(listener, 'close');
  return port;
}

/** The environment of this process without anything that would configure the server. */
function plainEnvironment() {
  const ours = /^(CHINWAG|REVERB|PUSHER|SOKETI|LARAVEL_WEBSOCKETS)_/;
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !ours.test(name)));
}

// Tests that end in the middle, by a signal or a bug in the test, must not leave servers running.
const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

export class Server {
  #environment;
  #command;
  #child = null;
  #stderr = [];

  constructor(folder, environment, command = []) {
    /** The server's working directory; with default settings its data is in `data` inside. */
    this.folder = folder;
    this.#environment = environment;
    this.#command = command;
    this.port = null;
    this.scheme = environment.CHINWAG_TLS_CERTIFICATE ? 'https' : 'http';
    /** How often code of the server gave up. Nothing that a client does may bring it to that. */
    this.panics = 0;
  }

  get url() {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.#child?.pid;
  }

  /** The last lines of its log. */
  get stderr() {
    return this.#stderr.join('\n');
  }

  /** Starts the process and returns when it says where it listens. */
  async start() {
    const listen = this.port ? { CHINWAG_LISTEN: `127.0.0.1:${this.port}` } : {};
    const [program, ...given] = [...this.#command, binary()];
    const child = spawn(program, given, {
      cwd: this.folder,
      env: { ...plainEnvironment(), RUST_BACKTRACE: '0', ...this.#environment, ...listen },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.exited = once(child, 'exit').then(([code, signal]) => ({ code, signal }));
    this.#child = child;
    createInterface(child.stderr).on('line', (line) => {
      if (line.includes('panicked at')) this.panics += 1;
      this.#stderr.push(line);
      if (this.#stderr.length > STDERR_LINES_KEPT) this.#stderr.shift();
    });
    let output = '';
    const opened = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.stdout.setEncoding('utf8').on('data', (text) => {
        output += text;
        const port = output.match(/^Open https?:\/\/\S+:(\d+)\s*$/m)?.[1];
        if (port) resolve(Number(port));
      });
      child.exited.then(({ code, signal }) => reject(new Error(`ended with ${signal ?? code} at once`)));
    });
    try {
      this.port = await within('the server says where it listens', opened, 30_000);
    } catch (error) {
      throw new Error(`the server did not start: ${error.message}\n${this.stderr}`);
    }
  }

  async #end(signal) {
    const child = this.#child;
    if (!child) return null;
    child.kill(signal);
    const ended = await within(`the server ends after ${signal}`, child.exited, STOP_DEADLINE_MS);
    this.#child = null;
    return ended;
  }

  /** Asks the server to stop, and returns how it ended. */
  stop() {
    return this.#end('SIGTERM');
  }

  /** Ends the server without a warning, as a power cut would. */
  kill() {
    return this.#end('SIGKILL');
  }

  /** The next run on the same data and at the same port. */
  async restart(signal = 'SIGTERM') {
    await this.#end(signal);
    await this.start();
  }

  async dispose() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/**
 * A test body that gets a fresh server with these variables in its environment.
 *
 *     test('a promise', withServer({ CHINWAG_WORKERS: '2' }, async (server, t) => { … }));
 *
 * `settings` is the text of a settings file, for what the environment cannot say; `command` starts the binary, which
 * is given behind it, in surroundings of its own.
 */
export function withServer(environment, body, { settings, command } = {}) {
  return async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'chinwag-e2e-'));
    const given = await settled(environment);
    if (settings) {
      given.CHINWAG_CONFIG = join(folder, 'chinwag.toml');
      await writeFile(given.CHINWAG_CONFIG, settings);
    }
    const server = new Server(folder, given, command);
    try {
      await server.start();
      await body(server, t);
      if (server.panics > 0) throw new Error('the server panicked');
    } catch (error) {
      console.error(`--- the server's log, at "${t.name}"\n${server.stderr}\n---`);
      throw error;
    } finally {
      await server.dispose();
    }
  };
}

/** Some port is chosen unless the environment says where to listen. */
async function settled(environment) {
  const given = typeof environment === 'function' ? await environment() : environment;
  const listens = ['CHINWAG_LISTEN', 'REVERB_SERVER_PORT', 'SOKETI_PORT', 'LARAVEL_WEBSOCKETS_PORT'].some((name) => name in given);
  return listens ? { ...given } : { CHINWAG_LISTEN: '127.0.0.1:0', ...given };
}
