// The list itself: each of its 73 items has a test, found by the number in front of its name.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import test from 'node:test';

const ITEMS = 73;

test(`each of the ${ITEMS} items of the list has a test`, async () => {
  const folder = new URL('./', import.meta.url);
  const texts = await Promise.all((await readdir(folder)).map((name) => readFile(new URL(name, folder), 'utf8')));
  const numbers = texts.join('\n').matchAll(/\btest\(\s*['`]\((\d+)\) /g);
  const found = new Set([...numbers].map(([, number]) => Number(number)));
  const missing = Array.from({ length: ITEMS }, (_, n) => n + 1).filter((number) => !found.has(number));
  assert.deepEqual(missing, []);
});
