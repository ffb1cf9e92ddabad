// People in browsers, with the page that the binary serves.

import assert from 'node:assert/strict';
import test, { after, before } from 'node:test';

import { closeBrowser, launchBrowser, withBrowsers } from '../lib/browser.js';
import { until } from '../lib/wait.js';

before(launchBrowser);
after(closeBrowser);

const OUTAGE = { outage: true };
const RECOVERY_MS = 45_000;

/** Two people in a conversation with each other, both with it open. */
async function pair(somebody) {
  const ada = await somebody('Ada Lovelace');
  const bob = await somebody('Bob Weaver');
  await ada.startWith(bob);
  await ada.send('hello');
  await bob.row(ada.name).waitFor();
  await bob.openConversation(ada.name);
  await ada.sees('hello', 'seen');
  return [ada, bob];
}

const shows = (person, texts, deadlineMs) =>
  until(`${person.name} sees ${texts} once each and in order`, async () => {
    assert.deepEqual(await person.shown(texts), texts);
    return true;
  }, deadlineMs);

test('the owner sets the server up, somebody joins, and they find each other', withBrowsers(async ({ stranger }) => {
  const ada = await stranger('Ada Lovelace');
  await ada.openPage();
  await ada.role('button', 'Create the owner').waitFor();
  await ada.shoot('setup');
  await ada.fillAccount('Create the owner');
  await ada.shoot('empty');
  const bob = await stranger('Bob Weaver');
  await bob.openPage();
  await bob.role('button', 'Log in').waitFor();
  await bob.role('link', 'Create account').click();
  await bob.fillAccount('Create account');
  await ada.startWith(bob);
  await ada.send('Shall we have tea?');
  await bob.row('Ada Lovelace').waitFor();
  await bob.openConversation('Ada Lovelace');
  await bob.message('Ada Lovelace', 'Shall we have tea\\?').waitFor();
  await bob.send('At five 🫖');
  await ada.message('Bob Weaver', 'At five 🫖').waitFor();
  for (const person of [ada, bob]) person.hasNoComplaints();
}));

test('a first visit leaves nothing in the console', withBrowsers(async ({ stranger }) => {
  const ada = await stranger('Ada Lovelace');
  await ada.openPage();
  await ada.role('button', 'Create the owner').waitFor();
  ada.hasNoComplaints({ nobody: false });
}));

test('the author sees a message become sent, delivered and seen, and seen only when it is looked at', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  await bob.page.close();
  await ada.send('first tick');
  await ada.sees('first tick', 'sent');
  assert.deepEqual(await ada.statesOf('first tick'), ['sending', 'sent']);
  // Bob is back with the list of conversations before him.
  await bob.openPage('/');
  await bob.row('Ada Lovelace').waitFor();
  await ada.sees('first tick', 'delivered');
  // The conversation is open, but in a tab that nobody looks at.
  await bob.looks(false);
  await bob.openConversation('Ada Lovelace');
  await bob.message('Ada Lovelace', 'first tick').waitFor();
  await ada.send('second tick');
  await bob.message('Ada Lovelace', 'second tick').waitFor();
  await ada.sees('second tick', 'delivered');
  // Twice the half second after which a message counts as seen.
  const start = await bob.page.evaluate(() => performance.now());
  await bob.page.waitForFunction((since) => performance.now() - since > 1_200, start);
  await ada.page.getByRole('article').last().waitFor();
  assert.deepEqual(await ada.statesOf('second tick'), ['sending', 'sent', 'delivered']);
  await bob.looks(true);
  await ada.sees('second tick', 'seen', 5_000);
  await ada.sees('first tick', 'seen');
  assert.deepEqual(await ada.statesOf('first tick'), ['sending', 'sent', 'delivered', 'seen']);
  for (const person of [ada, bob]) person.hasNoComplaints();
}));

test('typing shows on the other side and goes away with the message', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  await ada.composer.pressSequentially('I am wri');
  const typing = bob.page.getByTestId('typing');
  await typing.getByText(/typing/).waitFor();
  assert.match(await typing.textContent(), /Ada/);
  await ada.send('I am writing');
  await bob.message('Ada Lovelace', 'I am writing').waitFor();
  await until('nobody types any more', async () => !/typing/.test(await typing.textContent()), 8_000);
  for (const person of [ada, bob]) person.hasNoComplaints();
}));

test('unread messages are counted in the row, the bar and the title, until they are read', withBrowsers(async ({ somebody }) => {
  const ada = await somebody('Ada Lovelace');
  const bob = await somebody('Bob Weaver');
  await ada.startWith(bob);
  for (const text of ['one', 'two', 'three']) await ada.send(text);
  await bob.role('link', /^Ada Lovelace.*3 unread messages/).waitFor();
  await until('the title says so', async () => (await bob.page.title()).startsWith('(3) '));
  await bob.role('link', /^Chats.*3/).waitFor();
  await bob.openConversation('Ada Lovelace');
  await bob.role('separator', '3 new messages').waitFor();
  await until('nothing is unread', async () => !(await bob.page.title()).startsWith('('));
  assert.equal(await bob.role('link', /^Ada Lovelace.*unread/).count(), 0);
  await ada.sees('three', 'seen');
  for (const person of [ada, bob]) person.hasNoComplaints();
}));

test('what is written offline is delivered once and in order, later', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  await ada.context.setOffline(true);
  await ada.role('status').filter({ hasText: /offline|Reconnecting/ }).first().waitFor({ timeout: RECOVERY_MS });
  const texts = ['offline 1', 'offline 2', 'offline 3'];
  for (const text of texts) await ada.send(text);
  for (const text of texts) await ada.sees(text, 'sending');
  await ada.shoot('offline');
  await ada.context.setOffline(false);
  await shows(bob, texts, RECOVERY_MS);
  for (const text of texts) await ada.sees(text, 'seen', RECOVERY_MS);
  await shows(ada, texts);
  for (const person of [ada, bob]) person.hasNoComplaints(OUTAGE);
}));

test('what is written offline is delivered even when the page was closed in between', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  await ada.context.setOffline(true);
  const texts = ['closed 1', 'closed 2', 'closed 3'];
  for (const text of texts) await ada.send(text);
  for (const text of texts) await ada.sees(text, 'sending');
  await ada.page.close();
  await ada.context.setOffline(false);
  await ada.openPage('/');
  await shows(bob, texts, RECOVERY_MS);
  await ada.openConversation('Bob Weaver');
  for (const text of texts) await ada.sees(text, 'seen', RECOVERY_MS);
  await shows(ada, texts);
  for (const person of [ada, bob]) person.hasNoComplaints(OUTAGE);
}));

test('windows that are too many stay away until somebody asks for them', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  const first = ada.page;
  const notice = (page) => page.getByRole('status').filter({ hasText: 'no longer kept up to date' }).first();
  const sockets = (page) => page.evaluate(() => window.e2e.sockets.length);
  await ada.openPage('/');
  const second = ada.page;
  await notice(first).waitFor();
  await ada.row(bob.name).waitFor();
  const before = await sockets(second);
  await first.getByRole('button', { name: 'Connect here' }).click();
  await notice(second).waitFor();
  await notice(first).waitFor({ state: 'hidden' });
  await ada.shoot('paused');
  // Neither sends the other away by itself.
  await bob.send('which one?');
  await first.getByRole('article', { name: /which one/ }).waitFor();
  assert.deepEqual([await sockets(first), await sockets(second)], [2, before]);
  // A window that is looked at shows what there is all the same.
  await ada.looks(false);
  await ada.looks(true);
  await ada.row(bob.name).filter({ hasText: 'which one?' }).waitFor();
  assert.equal(await sockets(second), before);
  for (const person of [ada, bob]) person.hasNoComplaints();
}, { CHINWAG_LIMITS_CONNECTIONS: '1' }));

test('who types while the connection is closing gets no error, and a new connection', withBrowsers(async ({ somebody }) => {
  const [ada, bob] = await pair(somebody);
  await ada.composer.evaluate((field) => {
    window.e2e.sockets.at(-1).close();
    field.value = 'hello';
    field.dispatchEvent(new Event('input', { bubbles: true }));
  });
  await bob.send('still there');
  await ada.message('Bob Weaver', 'still there').waitFor();
  assert.equal(await ada.page.evaluate(() => window.e2e.sockets.length), 2);
  for (const person of [ada, bob]) person.hasNoComplaints();
}));

for (const signal of ['SIGTERM', 'SIGKILL']) {
  test(`a conversation goes on by itself after the server was ended by ${signal}`, withBrowsers(async ({ server, somebody }) => {
    const [ada, bob] = await pair(somebody);
    await server[signal === 'SIGTERM' ? 'stop' : 'kill']();
    const texts = ['meanwhile 1', 'meanwhile 2'];
    for (const text of texts) await ada.send(text);
    for (const text of texts) await ada.sees(text, 'sending');
    await bob.send('meanwhile 3');
    await server.start();
    await shows(bob, texts, RECOVERY_MS);
    await shows(ada, ['meanwhile 3'], RECOVERY_MS);
    for (const text of texts) await ada.sees(text, 'seen', RECOVERY_MS);
    await bob.send('and on');
    await ada.message('Bob Weaver', 'and on').waitFor();
    // What is typed before the channel is joined again is nobody's loss, so go on until it shows.
    await until('typing shows again', async () => {
      await ada.composer.press('x');
      return bob.page.getByTestId('typing').getByText(/typing/).isVisible();
    }, RECOVERY_MS);
    await shows(ada, texts);
    for (const person of [ada, bob]) person.hasNoComplaints(OUTAGE);
  }));
}

test('three people talk in a group, and a message is seen when all have seen it', withBrowsers(async ({ somebody }) => {
  const people = [];
  for (const name of ['Ada Lovelace', 'Bob Weaver', 'Cleo Marsh']) people.push(await somebody(name));
  const [ada, bob, cleo] = people;
  await ada.role('button', 'New message').first().click();
  await ada.role('link', 'New group').click();
  // Until then the field "Find people" is the one of the panel before.
  await ada.role('button', 'Next').waitFor();
  for (const other of [bob, cleo]) {
    await ada.role('textbox', 'Find people').fill(other.name);
    await ada.role('button', `Add ${other.name}`).click();
  }
  await ada.role('button', 'Next').click();
  await ada.page.getByLabel('Group name').fill('Tea');
  await ada.role('button', 'Create group').click();
  await ada.send('Who brings milk?');
  await bob.openConversation('Tea');
  await bob.message('Ada Lovelace', 'Who brings milk\\?').waitFor();
  await ada.sees('Who brings milk?', 'delivered');
  await bob.send('I do');
  await cleo.openConversation('Tea');
  await cleo.message('Bob Weaver', 'I do').waitFor();
  await ada.message('Bob Weaver', 'I do').waitFor();
  await ada.sees('Who brings milk?', 'seen');
  await cleo.send('Thank you both');
  for (const person of [ada, bob]) await person.message('Cleo Marsh', 'Thank you both').waitFor();
  assert.ok(!(await ada.statesOf('Who brings milk?')).slice(0, -1).includes('seen'));
  await ada.send('A long line that has to wrap somewhere on a phone, since it goes on and on about tea, milk, sugar and https://example.org/a/very/long/address/without/any/break/in/it/at/all/so/it/must/be/cut');
  await bob.page.getByRole('article').filter({ hasText: 'A long line' }).waitFor();
  await bob.shoot('conversation');
  for (const person of people) person.hasNoComplaints();
}));
