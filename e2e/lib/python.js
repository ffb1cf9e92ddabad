// The published Python SDK, in a process of its own. scripts/test-tools installs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { APP } from './reverb.js';
import { Inbox } from './wait.js';

const SCRIPT = fileURLToPath(new URL('./python_sdk.py', import.meta.url));

function interpreter() {
  const built = fileURLToPath(new URL('../../target/test-python/bin/python', import.meta.url));
  const found = [process.env.CHINWAG_TEST_PYTHON, built].find((path) => path && existsSync(path));
  if (!found) throw new Error('the Python SDK is needed: run scripts/test-tools');
  return found;
}

/** Its client for this server; `call` returns what the method returned, or throws `Refused` with the SDK's exception. */
export async function pythonSdk(t, server, more = {}) {
  const options = { app_id: APP.id, key: APP.key, secret: APP.secret, ssl: false, host: '127.0.0.1', port: server.port, ...more };
  const child = spawn(interpreter(), [SCRIPT, JSON.stringify(options)], {
    env: { ...process.env, NO_PROXY: '127.0.0.1' },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answers = new Inbox();
  createInterface(child.stdout).on('line', (line) => answers.push(JSON.parse(line)));
  t.after(async () => {
    child.stdin.end();
    await once(child, 'exit');
  });
  const call = async (method, ...given) => {
    child.stdin.write(`${JSON.stringify({ method, given })}\n`);
    const { result, raised, text } = await answers.take(`the SDK's answer to ${method}`);
    if (raised) throw Object.assign(new Error(text), { raised });
    return result;
  };
  return { call };
}
