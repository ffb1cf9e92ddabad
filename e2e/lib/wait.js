// Waiting for something to become true, with a deadline and without guessing how long it takes.

/** Longest wait unless told otherwise. Generous: the machine may be building something at the same time. */
export const DEADLINE_MS = 15_000;

const POLL_MS = 10;

/**
 * Waits until `condition` (which may be async) returns something truthy, and returns that.
 * What it throws is a "not yet", and becomes the reason when time is up.
 */
export async function until(what, condition, deadlineMs = DEADLINE_MS) {
  const end = performance.now() + deadlineMs;
  let reason;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
    } catch (error) {
      reason = error;
    }
    if (performance.now() > end) {
      throw new Error(`waited ${deadlineMs} ms in vain: ${what}`, { cause: reason });
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** The promise's outcome, or an error when it takes too long. */
export function within(what, promise, deadlineMs = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${deadlineMs} ms in vain: ${what}`)), deadlineMs);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** A list that grows by events, and on which one can wait for the next of a kind. */
export class Inbox {
  #items = [];
  #taken = 0;
  #waiting = null;

  push(item) {
    this.#items.push(item);
    this.#waiting?.();
  }

  /** Everything that came so far, whether taken or not. */
  get all() {
    return [...this.#items];
  }

  /** Takes the next item that `matches`, skipping what does not. */
  async take(what, matches = () => true, deadlineMs = DEADLINE_MS) {
    const end = performance.now() + deadlineMs;
    for (;;) {
      while (this.#taken < this.#items.length) {
        const item = this.#items[this.#taken++];
        if (matches(item)) return item;
      }
      const left = end - performance.now();
      const more = new Promise((resolve) => {
        this.#waiting = resolve;
      });
      try {
        await within(what, more, Math.max(left, 1));
      } catch (error) {
        const seen = this.#items.slice(-5).map((item) => String(JSON.stringify(item)).slice(0, 300));
        throw new Error(`${error.message}; the last to come were ${seen.join(' ') || 'none'}`);
      } finally {
        this.#waiting = null;
      }
    }
  }
}
