// A PostgreSQL server in a temporary folder, gone when this process is: see scripts/test-postgres.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('../../scripts/test-postgres', import.meta.url));

export class Postgres {
  #child;
  #lines;

  constructor(child, lines, port) {
    this.#child = child;
    this.#lines = lines;
    /** The address of its database. */
    this.url = `postgres://chinwag@127.0.0.1:${port}/postgres`;
  }

  /** Starts a server; a durable one waits for the disk, as a real one does. */
  static async start({ durable = false } = {}) {
    const child = spawn(SCRIPT, durable ? ['durable'] : [], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
    const { value = '' } = await lines.next();
    const port = value.match(/^ready (\d+)$/)?.[1];
    if (!port) throw new Error(`PostgreSQL did not start: ${value}`);
    return new Postgres(child, lines, port);
  }

  /** `stop`, `kill` (without a goodbye) or `start`; returns when that is done. */
  async order(order) {
    this.#child.stdin.write(`${order}\n`);
    const { value } = await this.#lines.next();
    if (value !== 'done') throw new Error(`PostgreSQL did not ${order}: ${value}`);
  }

  /** Ends it and removes its folder. */
  async dispose() {
    const gone = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.stdin.end();
    await gone;
  }
}

/** A test body made for a fresh PostgreSQL server: `withPostgres((database) => withServer({ … }, …))`. */
export function withPostgres(body, options) {
  return async (t) => {
    const database = await Postgres.start(options);
    try {
      await body(database)(t);
    } finally {
      await database.dispose();
    }
  };
}
