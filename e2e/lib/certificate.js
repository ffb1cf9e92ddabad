// A certificate for 127.0.0.1 that only this test trusts.

import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** Makes one with OpenSSL: the paths of certificate and key, and the certificate itself. Gone with the test `t`. */
export async function certificate(t) {
  const folder = await mkdtemp(join(tmpdir(), 'chinwag-e2e-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name));
  const made = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', key, '-out', cert];
  const about = ['-days', '2', '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1'];
  await promisify(execFile)('openssl', ['req', '-x509', ...made, ...about]);
  return { cert, key, ca: await readFile(cert) };
}
