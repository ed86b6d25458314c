/** What the browser tests share: a running Lockstep of their own, and people at browsers. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Lockstep, readConfig, startLockstep } from '@lockstep/server';
import { type Browser, type BrowserContext, chromium, type FrameLocator, type Page } from 'playwright-core';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** How long a test waits for what must happen, ms. */
const PATIENCE = 30_000;

/** A server and a browser; every `person` has cookies and storage of their own. */
export class Stage {
  readonly data: string;
  readonly port: number;
  #lockstep: Lockstep;
  readonly #browser: Browser;
  readonly #contexts: BrowserContext[] = [];
  /** What pages threw or complained of. */
  readonly complaints: string[] = [];
  /** Requests to other origins than the server's. */
  readonly strangers: string[] = [];

  private constructor(lockstep: Lockstep, browser: Browser, data: string) {
    this.#lockstep = lockstep;
    this.#browser = browser;
    this.data = data;
    this.port = lockstep.port;
  }

  static async open(): Promise<Stage> {
    const data = mkdtempSync(join(tmpdir(), 'lockstep-'));
    const lockstep = await startLockstep(config(data, 0));
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: FLAGS });
    return new Stage(lockstep, browser, data);
  }

  get origin(): string {
    return this.#lockstep.origin;
  }

  get lockstep(): Lockstep {
    return this.#lockstep;
  }

  /** A browser with nobody signed in. */
  async browser(viewport = { width: 1280, height: 800 }): Promise<Page> {
    const context = await this.#browser.newContext({ viewport, locale: 'en-GB' });
    context.setDefaultTimeout(PATIENCE);
    this.#contexts.push(context);
    context.on('weberror', (error) => this.complaints.push(String(error.error())));
    context.on('console', (message) => {
      const text = message.text();
      // Being told "not signed in" is how a page finds out.
      if (message.type() === 'error' && !/^Failed to load resource|401|ERR_CONNECTION|WebSocket connection/.test(text))
        this.complaints.push(`${text} ${message.location().url}`);
    });
    context.on('response', (response) => {
      const request = response.request();
      const status = response.status();
      if (status < 400 || status === 401) return;
      // A page that goes away closes its socket and unsubscribes: either may be the first to end the subscription.
      if (status === 404 && /hub\.mode=unsubscribe/.test(request.postData() ?? '')) return;
      this.complaints.push(`${status} ${request.method()} ${response.url()}`);
    });
    context.on('request', (request) => {
      const url = request.url();
      if (/^(https?|wss?):/.test(url) && new URL(url).host !== new URL(this.origin).host) this.strangers.push(url);
    });
    return context.newPage();
  }

  /** A sample user at a browser, signed in, with the console open. */
  async person(name: RegExp, viewport?: { width: number; height: number }): Promise<Page> {
    const page = await this.browser(viewport);
    await page.goto(this.origin);
    await page.getByRole('button', { name }).click();
    await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
    return page;
  }

  /** Stops the server, as a restart or a crash of the machine would, and starts it again where it was. */
  async restart(between: () => Promise<void>): Promise<void> {
    await this.#lockstep.close();
    await between();
    this.#lockstep = await startLockstep(config(this.data, this.port));
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#lockstep.close();
    await rm(this.data, { recursive: true, force: true });
  }
}

function config(data: string, port: number) {
  return {
    ...readConfig({ PORT: String(port), LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0' }),
    data,
  };
}

export async function openPatient(page: Page, name: RegExp): Promise<void> {
  await page.locator('.patient').filter({ hasText: name }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name, level: 2 }).waitFor();
}

/** Runs an app in the EHR. */
export async function run(page: Page, app: string): Promise<FrameLocator> {
  await page.getByRole('button', { name: `Run ${app}`, exact: true }).click();
  const frame = page.frameLocator(`iframe[title="${app}"]`);
  await frame.locator('lockstep-status[status="in-sync"]').waitFor();
  return frame;
}

/** Waits until the application shows the patient. */
export async function shows(app: FrameLocator | Page, patient: string): Promise<void> {
  await app.getByRole('heading', { name: patient, level: 1 }).waitFor();
}

/** The chip of an application in the strip. */
export function member(page: Page, name: string) {
  return page.locator(`[data-member="${name}"]`);
}
