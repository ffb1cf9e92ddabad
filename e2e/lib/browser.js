// People in front of browsers.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

import { chromium } from 'playwright-core';

import { PASSWORD } from './people.js';
import { withServer } from './server.js';
import { DEADLINE_MS } from './wait.js';

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];
const SHOTS = fileURLToPath(new URL('../artefacts/', import.meta.url));
const DESKTOP = { width: 1440, height: 900 };
const PHONE = { width: 390, height: 844 };

/** What a browser itself writes to the console when the network is gone. Expected only where a test cuts it. */
const OUTAGE = /net::ERR_|WebSocket connection to .* failed|Failed to fetch|status of 50\d/;

let browser = null;

export async function launchBrowser() {
  const executablePath = process.env.CHROMIUM_PATH || '/usr/bin/chromium';
  assert.ok(existsSync(executablePath), 'Chromium is needed: say in CHROMIUM_PATH where it is');
  browser = await chromium.launch({ executablePath, args: ARGUMENTS });
}

export async function closeBrowser() {
  await browser?.close();
}

/** A page of our own in a profile of its own, gone with the test `t`; `complaints` is what its console shows. */
export async function openPage(t, url) {
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(DEADLINE_MS);
  page.complaints = [];
  page.on('pageerror', (error) => page.complaints.push(String(error.stack)));
  await page.goto(url);
  return page;
}

/** What it writes when the page asks whether somebody is logged in and nobody is. A test of its own is about that. */
const NOBODY = /status of 401 .*\/api\/v1\/me\)$/;

/**
 * Runs in every page first: notes each state that own messages go through and each socket, and lets a test say that
 * nobody is looking, which a browser without a screen never does by itself.
 */
function instrument() {
  let away = false;
  const wasAway = sessionStorage.getItem('e2e-away') === 'true';
  away = wasAway;
  const states = [];
  const sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...parts) {
      super(...parts);
      sockets.push(this);
    }
  };
  Object.defineProperty(document, 'visibilityState', { get: () => (away ? 'hidden' : 'visible') });
  Object.defineProperty(document, 'hidden', { get: () => away });
  document.hasFocus = () => !away;
  window.e2e = {
    states,
    sockets,
    look(at) {
      away = !at;
      sessionStorage.setItem('e2e-away', String(away));
      document.dispatchEvent(new Event('visibilitychange'));
      window.dispatchEvent(new Event(away ? 'blur' : 'focus'));
    },
  };
  const note = (element) => {
    const last = states.at(-1);
    const state = element.getAttribute('data-state');
    const text = element.textContent;
    if (state && !(last?.state === state && last.text === text)) states.push({ state, text });
  };
  new MutationObserver((changes) => {
    for (const { type, target, addedNodes } of changes) {
      if (type === 'attributes') note(target);
      for (const node of addedNodes) {
        if (node.nodeType !== 1) continue;
        if (node.hasAttribute('data-state')) note(node);
        node.querySelectorAll('[data-state]').forEach(note);
      }
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-state'] });
  document.addEventListener('securitypolicyviolation', (event) => {
    console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`);
  });
}

/** One person with one browser profile. */
export class Someone {
  constructor(server, name, context) {
    this.server = server;
    this.name = name;
    this.username = name.toLowerCase().replaceAll(' ', '.');
    this.context = context;
    this.complaints = [];
  }

  async openPage(path = '/') {
    this.page = await this.context.newPage();
    this.page.setDefaultTimeout(DEADLINE_MS);
    const note = (text) => this.complaints.push(text);
    this.page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) note(`${message.text()} (${message.location().url})`);
    });
    this.page.on('pageerror', (error) => note(String(error.stack)));
    await this.page.goto(this.server.url + path);
  }

  role(role, name, options = {}) {
    return this.page.getByRole(role, { name, ...options });
  }

  async fillAccount(button) {
    await this.page.getByLabel('Your name', { exact: true }).fill(this.name);
    await this.page.getByLabel('Username', { exact: true }).fill(this.username);
    await this.page.getByLabel('Password', { exact: true }).fill(PASSWORD);
    await this.role('button', button).click();
    await this.role('button', 'New message').first().waitFor();
  }

  async startWith(other) {
    await this.role('button', 'New message').first().click();
    await this.role('textbox', 'Find people').fill(other.name);
    await this.role('button', new RegExp(other.name)).first().click();
    await this.composer.waitFor();
  }

  row(title) {
    return this.role('list', 'Conversations').getByRole('link', { name: new RegExp(`^${title}`) });
  }

  async openConversation(title) {
    await this.row(title).click();
    await this.role('log', `Messages in ${title}`).waitFor();
  }

  get composer() {
    return this.role('textbox', 'Message', { exact: true });
  }

  async send(text) {
    await this.composer.fill(text);
    await this.role('button', 'Send message').click();
  }

  /** Messages of which the text begins so. Own ones are by "You". */
  message(author, text) {
    return this.role('article', new RegExp(`^${author}: ${text},`));
  }

  /** The texts, out of `texts`, of the messages on the screen, from the top down. */
  async shown(texts) {
    const names = await this.page.getByRole('article').evaluateAll((all) => all.map((one) => one.getAttribute('aria-label') ?? one.textContent));
    return names.flatMap((name) => texts.filter((text) => name.includes(text)));
  }

  /** Waits until a message of one's own is in this state. */
  async sees(text, state, deadlineMs = DEADLINE_MS) {
    const article = this.page.locator(`article[data-state="${state}"], [role=article][data-state="${state}"]`);
    await article.filter({ hasText: text }).first().waitFor({ timeout: deadlineMs });
  }

  /** Every state the message has been in, in this page. */
  async statesOf(text) {
    const states = await this.page.evaluate(() => window.e2e.states);
    const own = states.filter((one) => one.text.includes(text)).map((one) => one.state);
    return own.filter((state, at) => state !== own[at - 1]);
  }

  /** Whether the person looks at the page. */
  looks(at) {
    return this.page.evaluate((value) => window.e2e.look(value), at);
  }

  /** Fails on anything that a developer would find in the console. */
  hasNoComplaints({ outage = false, nobody = true } = {}) {
    const expected = (text) => (outage && OUTAGE.test(text)) || (nobody && NOBODY.test(text));
    const complaints = this.complaints.filter((text) => !expected(text));
    assert.deepEqual(complaints, [], `the console of ${this.name}`);
  }

  /** Pictures for people to look at: desktop and phone, light and dark. */
  async shoot(name) {
    await mkdir(SHOTS, { recursive: true });
    const before = this.page.viewportSize();
    for (const [device, size] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      await this.page.setViewportSize(size);
      for (const colorScheme of ['light', 'dark']) {
        await this.page.emulateMedia({ colorScheme });
        await this.page.waitForFunction((theme) => document.documentElement.dataset.theme === theme, colorScheme);
        await this.page.screenshot({ path: `${SHOTS}${name}-${device}-${colorScheme}.png`, animations: 'disabled' });
      }
    }
    await this.page.emulateMedia({ colorScheme: null });
    await this.page.setViewportSize(before);
  }
}

/** A server, and `somebody(name)`, who has an account there and a fresh browser profile; the first is the owner. */
export function withBrowsers(body, environment = {}) {
  return withServer(environment, async (server, t) => {
    const contexts = [];
    const stranger = async (name) => {
      const context = await browser.newContext({ viewport: DESKTOP, locale: 'en-GB', reducedMotion: 'reduce' });
      contexts.push(context);
      await context.addInitScript(instrument);
      return new Someone(server, name, context);
    };
    const somebody = async (name) => {
      const first = contexts.length === 0;
      const someone = await stranger(name);
      await someone.openPage(first ? '/' : '/register');
      await someone.fillAccount(first ? 'Create the owner' : 'Create account');
      return someone;
    };
    try {
      await body({ server, t, somebody, stranger });
    } finally {
      await Promise.all(contexts.map((context) => context.close().catch(() => {})));
    }
  });
}

