/** What the browser tests share: a running Lockstep of their own, and people at browsers. */
import { mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Resource } from '@lockstep/fhircast';
import { type Lockstep, readConfig, startLockstep } from '@lockstep/server';
import type { Browser, FrameLocator, Locator, Page } from 'playwright-core';
import { startChromium } from '../../../scripts/chromium.ts';
import { type ManyUser, writeRecords, writeUsers } from './records.ts';
import { ServerProcess } from './server-process.ts';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** The server of a stage: in this process, where tests look into it, or in one of its own. */
interface Server {
  readonly origin: string;
  readonly lockstep?: Lockstep;
  readonly process?: ServerProcess;
  close(): Promise<unknown>;
}

/** The server's settings, as its environment would say them. */
type Settings = Readonly<Record<string, string>>;

async function serveHere(data: string, settings: Settings): Promise<Server> {
  const config = readConfig({ PORT: '0', LOCKSTEP_LOG_LEVEL: 'error', LOCKSTEP_RATE_LIMIT: '0', ...settings });
  const lockstep = await startLockstep({ ...config, data });
  return { origin: lockstep.origin, lockstep, close: () => lockstep.close() };
}

async function serveApart(data: string, settings: Settings): Promise<Server> {
  const process = await ServerProcess.start(data, settings);
  return { origin: process.origin, process, close: () => process.stop('SIGKILL') };
}

/** Where a browser is: a BCP 47 tag, and a zone such as `Europe/Vienna`. */
export interface BrowserPlace {
  readonly locale?: string;
  readonly timezoneId?: string;
}

export interface StageOptions {
  /** Whether the server runs in a process of its own, so that it can be ended and started again. */
  readonly apart?: boolean;
  /** What the record holds besides the sample data. */
  readonly records?: readonly Resource[];
  /** Who can sign in besides the sample users. */
  readonly users?: readonly ManyUser[];
}

export interface PersonOptions {
  readonly viewport?: { readonly width: number; readonly height: number };
  /** Whether the test moves the page's time. */
  readonly clock?: boolean;
  /** Where the person sits; unless it is said, at a desk of their own: what an earlier test left is in another session. */
  readonly workstation?: string;
}

/** A server and a browser; every `person` has cookies and storage of their own. */
export class Stage {
  readonly data: string;
  readonly origin: string;
  readonly #server: Server;
  readonly #browser: Browser;
  #desks = 0;
  /** What pages threw or complained of, but for what tests provoked. */
  readonly complaints: string[] = [];
  /** Complaints that a test provokes. */
  readonly provoked: RegExp[] = [];
  /** Requests to other origins than the server's. */
  readonly strangers: string[] = [];

  private constructor(server: Server, browser: Browser, data: string) {
    this.#server = server;
    this.#browser = browser;
    this.data = data;
    this.origin = server.origin;
  }

  static async open(
    settings: Settings = {},
    { apart = false, records = [], users = [] }: StageOptions = {},
  ): Promise<Stage> {
    const data = mkdtempSync(join(tmpdir(), 'lockstep-'));
    if (records.length > 0) await writeRecords(data, records);
    if (users.length > 0) await writeUsers(data, users);
    const server = await (apart ? serveApart(data, settings) : serveHere(data, settings));
    const browser = await startChromium(FLAGS);
    return new Stage(server, browser, data);
  }

  /** The server's inside, of a stage that does not run it apart. */
  get lockstep(): Lockstep {
    const { lockstep } = this.#server;
    if (!lockstep) throw new Error('the server runs in a process of its own');
    return lockstep;
  }

  #complain(text: string): void {
    if (!this.provoked.some((pattern) => pattern.test(text))) this.complaints.push(text);
  }

  /** A browser with nobody signed in. @param where the language of the browser, and the zone that its clock shows */
  async browser(viewport = { width: 1280, height: 800 }, where: BrowserPlace = {}): Promise<Page> {
    const context = await this.#browser.newContext({ viewport, locale: 'en-GB', ...where });
    context.on('weberror', (error) => this.#complain(String(error.error())));
    context.on('console', (message) => {
      const text = message.text();
      // Being told "not signed in" is how a page finds out.
      if (message.type() === 'error' && !/^Failed to load resource|401|ERR_CONNECTION|WebSocket connection/.test(text))
        this.#complain(`${text} ${message.location().url}`);
    });
    context.on('response', (response) => {
      const request = response.request();
      const status = response.status();
      if (status < 400 || status === 401) return;
      // A page that goes away closes its socket and unsubscribes: either may be the first to end the subscription.
      if (status === 404 && /hub\.mode=unsubscribe/.test(request.postData() ?? '')) return;
      this.#complain(`${status} ${request.method()} ${response.url()}`);
    });
    context.on('request', (request) => {
      const url = request.url();
      if (/^(https?|wss?):/.test(url) && new URL(url).host !== new URL(this.origin).host) this.strangers.push(url);
    });
    return context.newPage();
  }

  /** A sample user at a browser, signed in, with the console open. */
  async person(name: RegExp, { viewport, clock = false, workstation }: PersonOptions = {}): Promise<Page> {
    const page = await this.browser(viewport);
    if (clock) await page.clock.install();
    await this.signIn(page, name, workstation);
    return page;
  }

  /** Signs a sample user in. */
  async signIn(page: Page, name: RegExp, workstation = `Desk ${++this.#desks}`): Promise<void> {
    await page.goto(this.origin);
    await page.getByLabel('Workstation').fill(workstation);
    await page.getByRole('button', { name }).click();
    await page.getByRole('searchbox', { name: 'Search patients' }).waitFor();
  }

  /** Ends the server by a signal, and starts it again where it was. @param between what happens while it is away */
  async restart(signal: 'SIGKILL' | 'SIGTERM', between: () => Promise<void>): Promise<void> {
    const { process } = this.#server;
    if (!process) throw new Error('open the stage with the server apart');
    await process.stop(signal);
    await between();
    await process.start();
  }

  async close(): Promise<void> {
    await this.#browser.close();
    await this.#server.close();
    await rm(this.data, { recursive: true, force: true });
  }
}

/** @param objections whether another application says that it would not follow, and the person goes on */
export async function openPatient(page: Page, name: RegExp, objections = false): Promise<void> {
  await page.locator('[data-testid="patient"]').filter({ hasText: name }).click();
  if (objections) await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name, level: 2 }).waitFor();
}

/** Runs an app in the EHR. */
export async function run(page: Page, app: string): Promise<FrameLocator> {
  await page.getByRole('button', { name: `Run ${app}`, exact: true }).click();
  const frame = page.frameLocator(`iframe[title="${app}"]`);
  await frame.locator('lockstep-status[status="in-sync"]').waitFor();
  return frame;
}

/** Waits until a field holds a text, however it came there. */
export async function holds(field: Locator, text: string): Promise<void> {
  while ((await field.inputValue()) !== text) await field.page().evaluate(() => new Promise(requestAnimationFrame));
}

/** Waits until the application shows the patient. */
export async function shows(app: FrameLocator | Page, patient: string): Promise<void> {
  await app.getByRole('heading', { name: patient, level: 1 }).waitFor();
}

/** The chip of an application in the strip. */
export function member(page: Page, name: string) {
  return page.locator(`[data-member="${name}"]`);
}
