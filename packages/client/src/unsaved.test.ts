import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { askUnsaved, hasUnsaved, type MessageWindow } from './unsaved.ts';

const EHR = 'https://ehr.example';
const APP = 'https://app.example';

/** Two windows that post messages to each other at once, as browsers do later. Each function runs as if in one of them. */
class Page extends EventTarget implements MessageWindow {
  readonly origin: string;
  parent: Page | null = null;
  opener: Page | null = null;
  /** Who posts next. */
  static from: Page;

  constructor(origin: string) {
    super();
    this.origin = origin;
  }

  postMessage(data: unknown, target: string): void {
    const source = Page.from;
    if (target !== this.origin) return;
    const event = Object.assign(new Event('message'), { data, source, origin: source.origin });
    Page.from = this;
    this.dispatchEvent(event);
    Page.from = source;
  }
}

const listening = ['addEventListener', 'parent', 'opener'] as const;
const before = listening.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)] as const);

function within<T>(page: Page, run: () => T): T {
  Page.from = page;
  Object.defineProperties(globalThis, {
    addEventListener: { configurable: true, value: page.addEventListener.bind(page) },
    parent: { configurable: true, get: () => page.parent },
    opener: { configurable: true, get: () => page.opener },
  });
  return run();
}

describe('HZ-15 unsaved text', () => {
  let ehr: Page;
  let app: Page;
  let stop: () => void;
  let text = '';

  beforeEach(() => {
    ehr = new Page(EHR);
    app = new Page(APP);
    app.parent = ehr;
    text = 'a report is not signed';
    stop = within(app, () => hasUnsaved(() => text, [EHR]));
    // The answer is checked where the app was asked from.
    Object.defineProperty(globalThis, 'parent', { configurable: true, get: () => app.parent });
  });

  afterEach(() => {
    stop();
    for (const [name, descriptor] of before) {
      if (descriptor) Object.defineProperty(globalThis, name, descriptor);
      else Reflect.deleteProperty(globalThis, name);
    }
  });

  const ask = (by: Page, at = APP) => {
    Page.from = by;
    Object.defineProperty(globalThis, 'addEventListener', { configurable: true, value: by.addEventListener.bind(by) });
    return askUnsaved(app, at, 20);
  };

  it('is told to the embedding page as it is at that moment', async () => {
    assert.equal(await ask(ehr), 'a report is not signed');
    text = '';
    assert.equal(await ask(ehr), '');
  });

  it('is told to nobody else: another origin, another window of the right origin, another question', async () => {
    const stranger = new Page('https://evil.example');
    assert.equal(await ask(stranger), undefined);
    assert.equal(await ask(new Page(EHR)), undefined);
    app.parent = stranger;
    assert.equal(await ask(stranger), undefined);
    app.parent = ehr;
    assert.equal(await ask(ehr, 'https://other.example'), undefined);
    stop();
    assert.equal(await ask(ehr), undefined);
  });

  it('keeps the browser from leaving without asking', () => {
    const leave = () => app.dispatchEvent(new Event('beforeunload', { cancelable: true }));
    assert.equal(leave(), false);
    text = '';
    assert.equal(leave(), true);
  });

  it('speaks with origins that are written out', () => {
    for (const bad of ['*', '', 'null', 'ehr.example', 'data:text/html,x', 'file:///x']) {
      assert.throws(() => hasUnsaved(() => '', [bad]), TypeError, bad);
      assert.throws(() => askUnsaved(app, bad), TypeError, bad);
    }
  });
});
