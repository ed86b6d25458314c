/**
 * The hazards of docs/safety/hazards.md that show on a screen, one after the other in a real browser. With
 * HAZARD_PICTURES=docs in the environment (npm run safety) each is pictured in docs/safety.
 */
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { FrameLocator, Locator, Page, Route } from 'playwright-core';
import { Callback } from './callback.ts';
import { type Answering, OtherApp, RawSubscriber } from './raw-subscriber.ts';
import { member, openPatient, run, Stage, shows } from './stage.ts';

const pictured = process.env.HAZARD_PICTURES === 'docs';
const folder = fileURLToPath(new URL('../../../docs/safety/', import.meta.url));

const LONG_NAME = 'Maximiliana-Konstantina von Hohenlohe-Waldenburg zu Schillingsfürst';
const patient = (id: string, given: string, family: string, birthDate: string, number: string) => ({
  resourceType: 'Patient',
  id,
  name: [{ given: [given], family }],
  gender: 'female',
  birthDate,
  identifier: [{ system: 'urn:example:mrn', value: number, type: { coding: [{ code: 'MR' }] } }],
});
const NAMESAKES = [
  patient('mira-holm-1', 'Mira', 'Holm', '1948-02-11', 'NF-900001'),
  patient('mira-holm-2', 'Mira', 'Holm', '1993-10-30', 'NF-900002'),
];
const LONG = patient(
  'long-name',
  LONG_NAME.split(' ')[0] ?? '',
  LONG_NAME.split(' ').slice(1).join(' '),
  '1970-05-17',
  'NF-900003',
);

let stage: Stage;
before(async () => {
  if (pictured) await mkdir(folder, { recursive: true });
  const settings = { LOCKSTEP_ANSWER_SECONDS: '1', LOCKSTEP_MAX_UNANSWERED: '2' };
  stage = await Stage.open(settings, { apart: true, records: [...NAMESAKES, LONG] });
});
after(() => stage.close());

/** What was seen, for the page of hazards. */
async function picture(page: Page, name: string): Promise<void> {
  if (!pictured) return;
  await page.mouse.move(2, 2);
  const path = join(folder, `${name}.jpg`);
  await page.screenshot({ path, type: 'jpeg', quality: 60, animations: 'disabled', caret: 'hide' });
}

/**
 * Counts how often a status becomes green from now on, however shortly.
 * @returns reads the number
 */
async function greens(
  screen: Page | FrameLocator,
  selector: string,
  attribute: string,
): Promise<() => Promise<number>> {
  const status = screen.locator(selector);
  await status.evaluate((element, name) => {
    const holder = element as typeof element & { greens?: number };
    holder.greens = 0;
    new MutationObserver(() => {
      if (element.getAttribute(name) === 'in-sync') holder.greens = (holder.greens ?? 0) + 1;
    }).observe(element, { attributes: true, attributeFilter: [name] });
  }, attribute);
  return () => status.evaluate((element) => (element as typeof element & { greens: number }).greens);
}

const headline = (page: Page, status: string) => page.locator(`[data-testid="own-status"][data-status="${status}"]`);
const isGreen = async (page: Page): Promise<boolean> => (await headline(page, 'in-sync').count()) > 0;

/** The patient on the chart and the patient in the strip; both are the one who is open, or nobody. */
async function shownAndOpen(page: Page): Promise<readonly [string, string]> {
  const heading = page.getByRole('tabpanel').getByRole('heading', { level: 2 });
  const chart = (await heading.count()) === 0 ? '' : await heading.innerText();
  const strip = page.getByTestId('context').locator('[data-testid="identity-name"]');
  return [chart, (await strip.count()) === 0 ? '' : await strip.innerText()];
}

const LOGOUT = {
  key: 'parameters',
  resource: {
    resourceType: 'Parameters',
    parameter: [
      {
        name: 'code',
        valueCoding: {
          system: 'http://hl7.org/fhir/uv/fhircast/CodeSystem/fhircast-logout-codesystem',
          code: 'user-initiated',
        },
      },
    ],
  },
};
const patientElement = (id: string) => ({ key: 'patient', resource: { resourceType: 'Patient', id } });

/** Ways in which the Hub does not take a publish: for as long as it lasts, since the SDK tries more than once. */
const FAILURES: Readonly<Record<string, (route: Route) => Promise<void>>> = {
  '503': (route) => route.fulfill({ status: 503, body: 'busy' }),
  '409': (route) => route.fulfill({ status: 409, body: 'no' }),
  '400': (route) => route.fulfill({ status: 400, body: 'no' }),
  'no answer': (route) => route.abort('connectionreset'),
};

for (const [failure, fail] of Object.entries(FAILURES)) {
  test(`HZ-1 a change that is not sent (${failure}) leaves the old chart, says so, and is sent again or given up`, async () => {
    const page = await stage.person(/Lena Okafor/);
    stage.provoked.push(new RegExp(`^${failure} POST \\S+/hub$`));
    await openPatient(page, /Amara Diallo/);
    await headline(page, 'in-sync').waitFor();
    for (const then of ['Go back', 'Send again']) {
      await page.route('**/hub', (route) =>
        route.request().headers()['content-type'] === 'application/json' ? fail(route) : route.continue(),
      );
      await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
      await page.getByRole('alert').filter({ hasText: 'Not sent: Open Kofi Mensah' }).waitFor();
      await headline(page, 'out-of-sync').waitFor();
      assert.deepEqual(await shownAndOpen(page), ['Amara Diallo', 'Amara Diallo']);
      assert.equal(await page.locator('[aria-label="Session"] [data-tone="good"]').count(), 0, 'nothing is green');
      assert.match(await page.title(), /^\(!\) Not sent · Amara Diallo, /);
      if (then === 'Send again') await picture(page, 'hz-1-not-sent');
      await page.unroute('**/hub');
      await page.getByRole('button', { name: then }).click();
      await page.getByRole('alert').filter({ hasText: 'Not sent' }).waitFor({ state: 'detached' });
      await headline(page, 'in-sync').waitFor();
    }
    assert.deepEqual(await shownAndOpen(page), ['Kofi Mensah', 'Kofi Mensah']);
    await page.context().close();
  });
}

test('HZ-1 with the Hub killed and started again, chart and session are the same, and nothing was green meanwhile', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  await headline(page, 'in-sync').waitFor();
  await stage.restart('SIGKILL', async () => {
    await headline(page, 'connecting').waitFor();
    await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
    await page.getByRole('alert').filter({ hasText: 'Not sent: Open Kofi Mensah' }).waitFor();
    assert.equal((await shownAndOpen(page))[0], 'Amara Diallo');
    assert.equal(await isGreen(page), false);
  });
  await headline(page, 'out-of-sync').getByText('Not sent').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Amara Diallo', 'Amara Diallo']);
  await page.getByRole('button', { name: 'Send again' }).click();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Kofi Mensah' }).waitFor();
  await headline(page, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Kofi Mensah', 'Kofi Mensah']);
  await page.context().close();
});

const follows: Answering = () => 200;
const silent: Answering = () => undefined;
const PATIENTS = ['Patient-open'];

/** Ways not to follow: how an application behaves before and after the next patient is opened. */
const WAYS: readonly {
  readonly way: string;
  readonly answering: Answering;
  /** What happens once Amara is open: a test's turn to make it worse. */
  readonly later?: (page: Page, raw: RawSubscriber) => Promise<void>;
  /** How it comes back, where it is gone. */
  readonly back?: (page: Page, raw: RawSubscriber) => Promise<RawSubscriber>;
}[] = [
  { way: 'never answers', answering: silent },
  { way: 'has not answered yet', answering: silent },
  {
    way: 'refuses a patient, then a study of that patient is opened',
    answering: () => 409,
    async later(page) {
      await page
        .getByRole('button', { name: /^Open CT/ })
        .first()
        .click();
      await page.getByText('current', { exact: true }).waitFor();
    },
  },
  {
    way: 'is lost with 4001, then the next patient is opened',
    answering: follows,
    async later(page, raw) {
      raw.close(4001);
      await member(page, 'Desktop PACS').getByText('connection lost').waitFor();
      await openPatient(page, /Priya Raman/);
    },
    async back(_, raw) {
      await raw.reconnect();
      return raw;
    },
  },
  {
    way: 'falls silent and is denied, then the next patient is opened',
    answering: follows,
    async later(page, raw) {
      raw.answering = silent;
      for (const name of [/Walter Pruitt/, /Priya Raman/]) {
        await openPatient(page, name);
        await member(page, 'Desktop PACS')
          .getByText(/no answer|out of the session/)
          .waitFor();
      }
      await member(page, 'Desktop PACS').getByText('out of the session').waitFor();
      await openPatient(page, /Kofi Mensah/);
    },
    back: (page) => RawSubscriber.join(page, 'Desktop PACS', PATIENTS, follows),
  },
  {
    way: 'accepts by 202 and takes it back',
    answering: () => 202,
    async later(page, raw) {
      await member(page, 'Desktop PACS').getByText('still working').waitFor();
      raw.answerLatest(409);
      await member(page, 'Desktop PACS').and(page.locator('[data-tone="bad"]')).waitFor();
    },
  },
];

for (const { way, answering, later, back } of WAYS) {
  test(`HZ-2 ERR-8 an application that ${way} keeps EHR and viewer from being green until it follows`, async () => {
    const page = await stage.person(/Mei Tanaka/, { clock: true });
    await openPatient(page, /Priya Raman/);
    const viewer = await run(page, 'Image viewer');
    await headline(page, 'in-sync').waitFor();
    const raw = await RawSubscriber.join(page, 'Desktop PACS', PATIENTS, answering);
    const counts = [
      await greens(page, '[data-testid="own-status"]', 'data-status'),
      await greens(viewer, 'lockstep-status', 'status'),
    ];
    await openPatient(page, /Amara Diallo/);
    await later?.(page, raw);
    const isYet = way === 'has not answered yet';
    // The Hub's time is another than the page's: only what it has said can be waited for.
    await page
      .locator('[data-testid="own-status"]')
      .getByText(/Desktop PACS/)
      .waitFor();
    await viewer
      .locator('lockstep-status')
      .getByText(/Desktop PACS/)
      .waitFor();
    // Ten seconds for a decision, in the page's own time.
    if (!isYet) await page.clock.runFor(11_000);
    const status = isYet ? ':not([data-status="in-sync"])' : '[data-status="out-of-sync"]';
    await page
      .locator(`[data-testid="own-status"]${status}`)
      .getByText(/Desktop PACS/)
      .waitFor();
    await viewer
      .locator(`lockstep-status${status.replace('data-', '')}`)
      .getByText(/Desktop PACS/)
      .waitFor();
    assert.equal(await isGreen(page), false);
    // One that has followed nothing may be followed by no green, however shortly.
    if (answering !== follows && answering({ id: '', name: '' }) !== 202) {
      assert.deepEqual(await Promise.all(counts.map((count) => count())), [0, 0], 'it was green for a moment');
    }
    if (!isYet) {
      await page
        .getByRole('alert')
        .filter({ hasText: /Desktop PACS does not follow since \d\d:\d\d/ })
        .waitFor();
      assert.match(await page.title(), /^\(!\) Not following: Desktop PACS/);
    }
    await picture(page, `hz-2-${WAYS.findIndex((one) => one.way === way) + 1}`);
    const here = back ? await back(page, raw) : raw;
    here.answering = follows;
    if (isYet) here.answerLatest(200);
    else await openPatient(page, /Walter Pruitt/);
    await headline(page, 'in-sync').waitFor();
    await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
    here.close(1000);
    await page.context().close();
  });
}

test('HZ-1 what cannot be drawn is taken off the screen, and leaves the session', async () => {
  const page = await stage.person(/Lena Okafor/);
  const other = await page.context().newPage();
  await other.goto(stage.origin);
  await page.locator('[data-member]').nth(1).waitFor();
  // Whatever of a record a chart may stumble over.
  await page.route(/\/chart-[^/]*\.js$/, (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: "export function ChartView() { throw new Error('stumbled'); }",
    }),
  );
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
  await page.getByRole('alert').getByText('This page could not be drawn.').waitFor();
  assert.equal(await page.getByText('Kofi Mensah').count(), 0);
  await other.locator('[data-member]').nth(1).waitFor({ state: 'detached' });
  await other.getByRole('heading', { name: /Kofi Mensah/, level: 2 }).waitFor();

  await other.addInitScript(() => {
    if (!location.pathname.startsWith('/samples/viewer/')) return;
    const stumble = (): never => {
      throw new Error('stumbled');
    };
    Object.defineProperty(Intl.DateTimeFormat.prototype, 'format', { value: stumble });
  });
  await other.getByRole('button', { name: 'Run Image viewer', exact: true }).click();
  const viewer = other.frameLocator('iframe[title="Image viewer"]');
  await viewer.getByRole('alert').getByText('The application could not be drawn.').waitFor();
  assert.equal(await viewer.getByText('Kofi Mensah').count(), 0);
  await member(other, 'Image viewer').waitFor({ state: 'detached' });
  await page.context().close();
});

test('HZ-15 what cannot be loaded or drawn takes no unsaved note with it', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Kofi Mensah/);
  const note = page.getByRole('tabpanel').getByRole('textbox');
  await note.fill('typed before the network was cut');
  const to = (name: string) => page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
  const stays = async (): Promise<void> => {
    await to('EHR');
    assert.equal(await note.inputValue(), 'typed before the network was cut');
    await headline(page, 'in-sync').waitFor();
  };

  const scripts = /\/assets\/[^/]*\.js$/;
  await page.route(scripts, (route) => route.abort());
  const alert = page.getByRole('alert').filter({ hasText: 'This part of the page could not be loaded.' });
  for (const name of ['Worklist', 'Guests']) {
    await to(name);
    await alert.waitFor();
    await stays();
  }
  await page.getByRole('button', { name: 'Dr. Lena Okafor' }).click();
  await alert.waitFor();
  await stays();
  await page.unroute(scripts);
  await alert.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('menuitem', { name: 'Keyboard shortcuts' }).waitFor();
  await page.keyboard.press('Escape');
  await to('Worklist');
  await alert.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Worklist', level: 1 }).waitFor();
  await stays();

  // Elements that stumble, as an answer might make them.
  const stumbleAt = (name: string | undefined) =>
    page.evaluate((wanted) => {
      const prototype = Document.prototype as unknown as { createElementNS(...args: unknown[]): Element };
      const holder = window as typeof window & { create?: typeof prototype.createElementNS };
      holder.create ??= prototype.createElementNS;
      const { create } = holder;
      prototype.createElementNS = function (...args) {
        if (args[1] === wanted) throw new Error('stumbled');
        return create.apply(this, args);
      };
    }, name);
  await stumbleAt('h1');
  await to('Apps');
  const instead = page.getByRole('alert').filter({ hasText: 'This page could not be shown.' });
  await instead.waitFor();
  await stumbleAt(undefined);
  await instead.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Apps', level: 1 }).waitFor();
  await stays();

  await stumbleAt('table');
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Ingrid' }).first().click();
  await page.getByRole('alert').filter({ hasText: 'This page could not be drawn.' }).waitFor();
  const waiting = page.getByRole('region', { name: 'Notes that are not saved' });
  await waiting.getByText('typed before the network was cut').waitFor();
  assert.equal(await waiting.getByRole('button', { name: /^Open/ }).count(), 0);
  await waiting.getByRole('button', { name: /^Save the note on Kofi Mensah/ }).click();
  await waiting.waitFor({ state: 'detached' });
  await page.getByRole('button', { name: 'Try again' }).click();
  await openPatient(page, /Kofi Mensah/);
  await page.getByRole('tabpanel').getByText('typed before the network was cut').first().waitFor();
  await page.context().close();
});

test('HZ-2 an application that did not follow no longer keeps others from being green once it follows a later context, or leaves', async () => {
  const page = await stage.person(/Mei Tanaka/);
  const raw = await RawSubscriber.join(page, 'Desktop PACS', PATIENTS, follows);
  await openPatient(page, /Priya Raman/);
  await member(page, 'Desktop PACS')
    .getByText(/^followed/)
    .waitFor();
  raw.answering = () => 409;
  await openPatient(page, /Amara Diallo/);
  const warning = page.getByRole('alert').filter({ hasText: 'Desktop PACS does not follow' });
  await warning.getByText('It still shows Priya Raman, ').waitFor();
  raw.answering = follows;
  await warning.getByRole('button', { name: 'Ask again' }).click();
  await warning.waitFor({ state: 'detached' });
  await headline(page, 'in-sync').waitFor();
  raw.answering = () => 409;
  await openPatient(page, /Kofi Mensah/);
  await warning.waitFor();
  raw.close(1000);
  await headline(page, 'in-sync').waitFor();
  await page.context().close();
});

test('HZ-3 a window that waits for a person counts as not following after ten seconds, by its name, and still asks', async () => {
  const first = await stage.person(/Tomas Lindqvist/, { clock: true });
  await openPatient(first, /Amara Diallo/);
  await first.getByRole('textbox', { name: 'Note' }).fill('Half a thought');
  const second = await first.context().newPage();
  await second.goto(stage.origin);
  await second.getByRole('tabpanel').getByRole('heading', { name: 'Amara Diallo' }).waitFor();
  await member(second, 'EHR (window 2)').waitFor();
  await openPatient(second, /Kofi Mensah/, true);
  const dialog = first.getByRole('dialog', { name: 'A note is not saved' });
  await dialog.waitFor();
  await first.clock.runFor(12_000);
  await headline(second, 'out-of-sync').getByText('Not following: EHR', { exact: true }).waitFor();
  await second.getByRole('alert').filter({ hasText: 'EHR does not follow' }).waitFor();
  await headline(first, 'out-of-sync').waitFor();
  assert.ok(await dialog.isVisible(), 'the question stays');
  await picture(second, 'hz-3-window-waits');
  await dialog.getByRole('button', { name: 'Save and follow' }).click();
  await headline(first, 'in-sync').waitFor();
  await headline(second, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(first), ['Kofi Mensah', 'Kofi Mensah']);
  await first.context().close();
});

test('HZ-4 nothing is shown, in EHR and samples, after home, close and logout', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  const other = await OtherApp.of(page);
  for (const [event, context] of [
    ['Home-open', []],
    ['Patient-close', [patientElement('amara-diallo')]],
    ['UserLogout', [LOGOUT]],
  ] as const) {
    await shows(viewer, 'Amara Diallo');
    await other.publish(event, context);
    await page.getByRole('heading', { name: 'No chart is open' }).waitFor();
    for (const app of [viewer, writer]) await shows(app, 'No patient is open');
    assert.deepEqual(await shownAndOpen(page), ['', ''], event);
    await headline(page, 'in-sync').waitFor();
    if (event === 'Home-open') await picture(page, 'hz-4-nothing-open');
    // Only where nobody is open is a click that is through told from one that is still on its way.
    if (event !== 'UserLogout') await openPatient(page, /Amara Diallo/);
  }
  await page.context().close();
});

test('HZ-5 a patient whom the record lacks is no chart: EHR and samples say so and do not follow', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  const other = await OtherApp.of(page);
  stage.provoked.push(/^404 GET \S+\/fhir\/Patient\/nobody-here$/);
  const unknown = {
    resourceType: 'Patient',
    id: 'nobody-here',
    name: [{ text: 'Nobody Here' }],
    birthDate: '1950-01-01',
  };
  const namesake = {
    resourceType: 'Patient',
    id: 'kofi-mensah',
    name: [{ text: 'Another Person' }],
    birthDate: '2001-01-01',
  };
  for (const resource of [unknown, namesake]) {
    await other.publish('Patient-open', [{ key: 'patient', resource }]);
    await page.getByRole('alert').getByRole('heading', { name: 'Not in this record' }).waitFor();
    await headline(page, 'out-of-sync').getByText('Not in this record').waitFor();
    assert.equal((await shownAndOpen(page))[0], '');
    if (resource === unknown) {
      for (const app of [viewer, writer]) await app.getByText('the patient is not in this record').waitFor();
      await picture(page, 'hz-5-not-in-record');
    }
  }
  await openPatient(page, /Amara Diallo/);
  await headline(page, 'in-sync').waitFor();
  await page.context().close();
});

/**
 * What the browser does to a page that it puts into its memory (`pagehide`), and to one that comes back from there (`pageshow`).
 * @returns what the page says at the moment when it is frozen
 */
function turned(body: Locator, type: 'pagehide' | 'pageshow'): Promise<string> {
  return body.evaluate(async (_, event) => {
    dispatchEvent(new PageTransitionEvent(event, { persisted: true }));
    await Promise.resolve();
    return `${document.title} ${document.body.innerText}`;
  }, type);
}

test('HZ-2 HZ-4 a page that the browser keeps in its memory shows no patient, and comes back to the one that is open', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const apps = [await run(page, 'Image viewer'), await run(page, 'Report writer')];
  for (const app of apps) await shows(app, 'Amara Diallo');
  // They have left as they should: nobody waits for them, and nobody is named.
  for (const app of apps) assert.doesNotMatch(await turned(app.locator('body'), 'pagehide'), /Amara|Diallo/);
  await openPatient(page, /Kofi Mensah/);
  await headline(page, 'in-sync').waitFor();
  for (const app of apps) assert.equal(await app.getByText('Amara Diallo').count(), 0);
  for (const app of apps) assert.doesNotMatch(await turned(app.locator('body'), 'pageshow'), /Amara|Diallo/);
  for (const app of apps) await shows(app, 'Kofi Mensah');
  await headline(page, 'in-sync').waitFor();
  // The EHR itself.
  await turned(page.locator('body'), 'pagehide');
  assert.deepEqual(await shownAndOpen(page), ['', '']);
  await turned(page.locator('body'), 'pageshow');
  await headline(page, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Kofi Mensah', 'Kofi Mensah']);
  await page.context().close();
});

test('HZ-5 what has not been read yet, or could not be, is not said to be missing: in chart, viewer and writer', async () => {
  const page = await stage.person(/Tomas Lindqvist/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  const chart = page.getByRole('tabpanel');
  const studies = /\/fhir\/ImagingStudy\?patient=/;
  const nothing = /None in the record|No studies in the record|Nothing to show/;
  const saysNothing = async () => {
    const said = [chart, viewer.locator('body'), writer.locator('body')].map((one) => one.innerText());
    return (await Promise.all(said)).map((text) => nothing.test(text));
  };
  stage.provoked.push(/^500 GET \S+\/fhir\/ImagingStudy\?/);
  const empty = JSON.stringify({ resourceType: 'Bundle', type: 'searchset' });
  const ways: Readonly<Record<string, readonly [RegExp, (route: Route) => unknown]>> = {
    late: [/Mateo Fernández/, () => undefined],
    failing: [/Hannah Kowalczyk/, (route) => route.fulfill({ status: 500, body: '' })],
    'cut short': [/Kofi Mensah/, (route) => route.fulfill({ body: empty.slice(0, 20) })],
    aborted: [/Walter Pruitt/, (route) => route.abort('connectionreset')],
  };
  for (const [way, [name, answer]] of Object.entries(ways)) {
    await page.route(studies, answer);
    await openPatient(page, name);
    const why = way === 'late' ? 'Reading the studies' : 'The studies could not be read';
    for (const app of [viewer, writer]) await app.getByText(why).waitFor();
    // The chart asks twice.
    await (way === 'late' ? chart.getByTestId('waiting') : chart.getByRole('alert')).waitFor();
    assert.deepEqual(await saysNothing(), [false, false, false], way);
    await page.unroute(studies);
    if (way === 'late') continue;
    for (const part of [chart, viewer, writer]) await part.getByRole('button', { name: 'Try again' }).click();
    for (const app of [viewer, writer]) await app.getByText(why).waitFor({ state: 'detached' });
    await chart.getByRole('alert').waitFor({ state: 'detached' });
  }
  await page.route(studies, (route) => route.fulfill({ body: empty }));
  await openPatient(page, /Priya Raman/);
  await viewer.getByText('No studies in the record').waitFor();
  await writer.getByText('No studies in the record').waitFor();
  await chart.getByText('None in the record').first().waitFor();
  await page.unroute(studies);
  await page.context().close();
});

test('HZ-6 two people of one name look different wherever one of them is named', async () => {
  const page = await stage.person(/Lena Okafor/);
  const seen: string[] = [];
  for (const { birthDate, identifier } of NAMESAKES) {
    const number = identifier[0]?.value ?? '';
    await page.getByRole('searchbox', { name: 'Search patients' }).fill(number);
    // The list of both stands until the search is answered.
    await page.locator('[data-testid="patient"]').nth(1).waitFor({ state: 'detached' });
    await openPatient(page, /Mira Holm/);
    await page.getByTestId('context').getByText(number).waitFor();
    await page.getByRole('tab', { selected: true }).getByText(number).waitFor();
    await page.getByRole('tabpanel').locator('[data-testid="banner"]').getByText(number).waitFor();
    await page.waitForFunction((wanted) => document.title.includes(wanted), number);
    const year = birthDate.slice(0, 4);
    for (const text of [
      await page.getByTestId('context').innerText(),
      await page.getByRole('tab', { selected: true }).innerText(),
      await page.getByRole('tabpanel').locator('[data-testid="banner"]').innerText(),
      await page.title(),
    ]) {
      assert.ok(text.includes('Mira Holm') && text.includes(number) && text.includes(year), text);
    }
    seen.push(await page.title());
  }
  assert.notEqual(seen[0], seen[1]);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  for (const app of [viewer, writer]) await app.getByRole('heading', { level: 1 }).getByText('NF-900002').waitFor();
  await page.getByRole('textbox', { name: 'Note' }).fill('Half a thought');
  await page.getByRole('button', { name: 'Close Mira Holm' }).click();
  await page.getByRole('dialog').getByText('NF-900002').waitFor();
  await picture(page, 'hz-6-namesakes');
  await page.getByRole('dialog').getByRole('button', { name: 'Discard and close' }).click();
  await page.context().close();
});

/** Whether an element lies wholly within the window, and nothing of it is cut off. */
async function isWhole(page: Page | FrameLocator, selector: string, width: number): Promise<boolean> {
  return page
    .locator(selector)
    .first()
    .evaluate((element, limit) => {
      const { left, right, width: own } = element.getBoundingClientRect();
      const inner = element.ownerDocument.documentElement.clientWidth;
      return (
        own > 0 && left >= 0 && right <= Math.min(limit, inner) + 0.5 && element.scrollWidth <= element.clientWidth + 1
      );
    }, width);
}

for (const viewport of [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
]) {
  test(`HZ-6 a name of ${LONG_NAME.length} letters leaves every status to be read, ${viewport.width} pixels wide`, async () => {
    const page = await stage.person(/Lena Okafor/, { viewport });
    await page.getByRole('searchbox', { name: 'Search patients' }).fill('NF-900003');
    await page.locator('[data-testid="patient"]').filter({ hasText: 'Maximiliana' }).click();
    await page.getByTestId('context').getByText('NF-900003').waitFor();
    const viewer = await run(page, 'Image viewer');
    const raw = await RawSubscriber.join(page, 'Desktop PACS', PATIENTS, () => 409);
    await page.locator('[data-testid="own-status"][data-status="out-of-sync"]').waitFor();
    for (const selector of [
      '[data-testid="own-status"]',
      '[data-testid="own-words"]',
      '[data-testid="context"] [data-testid="identity-facts"]',
      '[data-member] > [aria-hidden]',
    ])
      assert.ok(await isWhole(page, selector, viewport.width), selector);
    for (const selector of ['lockstep-status', '[data-testid="identity-facts"]'])
      assert.ok(await isWhole(viewer, selector, viewport.width), `viewer: ${selector}`);
    await picture(page, `hz-6-long-name-${viewport.width}`);
    raw.close(1000);
    await page.context().close();
  });
}

test('HZ-15 a report typed in the docked writer is asked about before the writer is closed, moved or signed out', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const writer = await run(page, 'Report writer');
  await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
  await writer.getByLabel('Impression').fill('Half a sentence');
  const dialog = page.getByRole('dialog', { name: 'Work is not saved' });
  const leave: Readonly<Record<string, () => Promise<void>>> = {
    close: () => page.getByRole('button', { name: 'Close Report writer', exact: true }).click(),
    move: () => page.getByRole('button', { name: 'Run Report writer in a window of its own' }).click(),
    async signOut() {
      await page.getByRole('button', { name: 'Dr. Lena Okafor' }).click();
      await page.getByRole('menuitem', { name: 'Sign out' }).click();
    },
  };
  for (const go of Object.values(leave)) {
    await go();
    await dialog.getByText('Report writer: a report is not signed or saved.').waitFor();
    if (go === leave.close) await picture(page, 'hz-15-unsaved-work');
    await dialog.getByRole('button', { name: 'Stay here', exact: true }).last().click();
    await dialog.waitFor({ state: 'detached' });
    assert.equal(await writer.getByLabel('Impression').inputValue(), 'Half a sentence');
  }
  // Closed all the same, it is not lost either.
  await leave.close?.();
  await dialog.getByRole('button', { name: 'Close it all the same' }).click();
  await page.locator('iframe[title="Report writer"]').waitFor({ state: 'detached' });
  const again = await run(page, 'Report writer');
  await again.getByLabel('Impression').waitFor();
  assert.equal(await again.getByLabel('Impression').inputValue(), 'Half a sentence');
  await again.getByText('not saved').waitFor();
  // In a window of its own it is asked before signing out as well.
  const opened = page.context().waitForEvent('page');
  await leave.move?.();
  await dialog.getByRole('button', { name: 'Move it all the same' }).click();
  const apart = await opened;
  await apart.locator('lockstep-status[status="in-sync"]').waitFor();
  await apart.getByText('not saved').waitFor();
  await leave.signOut?.();
  await dialog.getByText('Report writer: a report is not signed or saved.').waitFor();
  await dialog.getByRole('button', { name: 'Stay here', exact: true }).last().click();
  await dialog.waitFor({ state: 'detached' });
  await headline(page, 'in-sync').waitFor();
  assert.equal(await apart.getByLabel('Impression').inputValue(), 'Half a sentence');
  await page.context().close();
});

test('an application that would not follow is heard before a change is made', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await openPatient(page, /Amara Diallo/);
  const writer = await run(page, 'Report writer');
  await writer.getByRole('button', { name: /CT Chest.*May 2026/ }).click();
  await writer.getByLabel('Impression').fill('Half a sentence');
  const dialog = page.getByRole('dialog', { name: 'Not everybody would follow' });
  await page.locator('[data-testid="patient"]').filter({ hasText: 'Kofi Mensah' }).click();
  await dialog.getByText('Report writer: a report is not signed or saved.').waitFor();
  await picture(page, 'survey');
  await dialog.getByRole('button', { name: 'Stay here', exact: true }).last().click();
  await headline(page, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Amara Diallo', 'Amara Diallo']);
  await openPatient(page, /Kofi Mensah/, true);
  await headline(page, 'out-of-sync').getByText('Not following: Report writer').waitFor();
  await page.getByRole('alert').filter({ hasText: 'a report is not signed or saved' }).waitFor();
  await page.context().close();
});

test('HZ-2 the samples are not green either while somebody does not follow', async () => {
  const page = await stage.person(/Mei Tanaka/);
  const raw = await RawSubscriber.join(page, 'Desktop PACS', PATIENTS, follows);
  await openPatient(page, /Priya Raman/);
  const viewer = await run(page, 'Image viewer');
  raw.answering = () => 409;
  await openPatient(page, /Amara Diallo/);
  await viewer
    .locator('lockstep-status[status="out-of-sync"]')
    .getByText(/Desktop PACS/)
    .waitFor();
  // Another context of the same patient makes nothing better (ERR-8).
  await page
    .getByRole('button', { name: /^Open CT/ })
    .first()
    .click();
  await page.getByText('current', { exact: true }).waitFor();
  await viewer
    .locator('lockstep-status[status="out-of-sync"]')
    .getByText(/Desktop PACS/)
    .waitFor();
  raw.answering = follows;
  await page
    .getByRole('alert')
    .filter({ hasText: 'Desktop PACS does not follow' })
    .getByRole('button', { name: 'Ask again' })
    .click();
  await openPatient(page, /Priya Raman/);
  await viewer.locator('lockstep-status[status="in-sync"]').waitFor();
  await headline(page, 'in-sync').waitFor();
  raw.close(1000);
  await page.context().close();
});

/** Resources of a session's own, with a number that JSON numbers do not keep. */
const REPORT = {
  key: 'report',
  resource: { resourceType: 'DiagnosticReport', id: 'hz', status: 'unknown', code: { text: 'CT' } },
};
const REPORT_REFERENCE = { key: 'report', reference: { reference: 'DiagnosticReport/hz' } };

test('HZ-7 a used event id with another patient in it is refused, and everybody stays where they are', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const viewer = await run(page, 'Image viewer');
  const other = await OtherApp.of(page);
  const open = (id: string) => other.attempt('Patient-open', [patientElement(id)], {}, 'used-twice');
  assert.equal((await open('priya-raman')).status, 202);
  await shows(viewer, 'Priya Raman');
  const again = await open('kofi-mensah');
  assert.equal(again.status, 409);
  await headline(page, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Priya Raman', 'Priya Raman']);
  await shows(viewer, 'Priya Raman');
  await picture(page, 'hz-7-used-id');
  await page.context().close();
});

test('HZ-8 a callback that fails is named at once, and gets the next patient at once', async () => {
  const page = await stage.person(/Lena Okafor/);
  const other = await OtherApp.of(page);
  await using callback = await Callback.listen();
  const form = new URLSearchParams({
    'hub.channel.type': 'webhook',
    'hub.mode': 'subscribe',
    'hub.topic': other.topic,
    'hub.events': 'Patient-open',
    'hub.callback': callback.url,
    'hub.secret': 'between the two',
    'subscriber.name': 'Archive',
  });
  assert.equal((await other.request(form.toString(), 'application/x-www-form-urlencoded')).status, 202);
  await callback.verified;
  callback.status = 500;
  await openPatient(page, /Amara Diallo/);
  await headline(page, 'out-of-sync').getByText('Not following: Archive').waitFor();
  await member(page, 'Archive').getByText('could not follow').waitFor();
  await picture(page, 'hz-8-callback-fails');
  callback.status = 200;
  await openPatient(page, /Kofi Mensah/);
  await headline(page, 'in-sync').waitFor();
  assert.equal(callback.patients.at(-1), 'kofi-mensah');
  await page.context().close();
});

test('HZ-9 HZ-10 HZ-11 a report has one content everywhere, its numbers as they were written; what is no selection is refused', async () => {
  const page = await stage.person(/Mei Tanaka/);
  await openPatient(page, /Kofi Mensah/);
  const writer = await run(page, 'Report writer');
  const other = await OtherApp.of(page);
  const of = [patientElement('kofi-mensah')];
  await other.publish('DiagnosticReport-open', [REPORT, ...of]);
  const finding = (id: string, value: string) =>
    `{"request":{"method":"PUT","url":"Observation/${id}"},"resource":{"resourceType":"Observation","id":"${id}",` +
    `"status":"preliminary","code":{"text":"Size ${id}"},"subject":{"reference":"Patient/kofi-mensah"},` +
    `"valueQuantity":{"value":${value},"unit":"cm"}}}`;
  const update = async (entries: readonly string[]): Promise<void> => {
    const { 'context.versionId': version } = await other.current();
    // As text: a number that was parsed is another number.
    const body =
      `{"timestamp":"${new Date().toISOString()}","id":"${crypto.randomUUID()}","event":{"hub.topic":"${other.topic}",` +
      `"hub.event":"DiagnosticReport-update","context.versionId":"${version}","context":[` +
      `${JSON.stringify(REPORT_REFERENCE)},{"key":"patient","reference":{"reference":"Patient/kofi-mensah"}},` +
      `{"key":"updates","resource":{"resourceType":"Bundle","id":"b","type":"transaction","entry":[${entries.join()}]}}]}}`;
    assert.equal((await other.request(body, 'application/json')).status, 202);
  };
  await update([finding('one', '4.2'), finding('two', '7.10')]);
  await update(['{"request":{"method":"DELETE","url":"Observation/one"}}']);
  const content = await (await other.request(undefined, 'application/json', `/${other.topic}`)).text();
  assert.match(content, /"value":7\.10,/);
  assert.doesNotMatch(content, /"Size one"/);
  await writer.getByText('Size two').first().waitFor();
  await writer.getByText('Size one').first().waitFor({ state: 'detached' });
  const selected = await other.attempt('DiagnosticReport-select', [
    REPORT_REFERENCE,
    ...of,
    { key: 'select', resource: { resourceType: 'Observation', id: 'two' } },
  ]);
  assert.equal(selected.status, 400);
  await picture(page, 'hz-9-one-content');
  await page.context().close();
});

test('HZ-12 one user has one session however the name is written, and an unknown name finds none', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const other = await OtherApp.of(page);
  const topics = async (user: string): Promise<readonly string[]> => {
    const answer = await other.request(undefined, 'application/json', `/session?user=${encodeURIComponent(user)}`);
    return ((await answer.json()) as { readonly 'hub.topic': string }[]).map((one) => one['hub.topic']);
  };
  for (const name of ['dr-lena-okafor', 'Dr-Lena-Okafor', 'DR-LENA-OKAFOR'])
    assert.ok((await topics(name)).includes(other.topic), name);
  assert.deepEqual(await topics('dr-lena-okafer'), []);
  await headline(page, 'in-sync').waitFor();
  await picture(page, 'hz-12-one-session');
  await page.context().close();
});

test('HZ-13 who joins late shows the patient who is open, and never one that was open before', async () => {
  const first = await stage.person(/Tomas Lindqvist/);
  await openPatient(first, /Priya Raman/);
  const other = await OtherApp.of(first);
  const study = { key: 'study', resource: { resourceType: 'ImagingStudy', id: 'hz-13', status: 'available' } };
  await other.publish('ImagingStudy-open', [study, patientElement('priya-raman')]);
  await openPatient(first, /Amara Diallo/);
  const second = await first.context().newPage();
  await second.addInitScript(() => {
    const seen: string[] = [];
    Object.assign(window, { seen });
    new MutationObserver(() => {
      const name = document.querySelector('[role="tabpanel"] h2')?.textContent;
      if (name && !seen.includes(name)) seen.push(name);
    }).observe(document, { childList: true, subtree: true });
  });
  await second.goto(stage.origin);
  await headline(second, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(second), ['Amara Diallo', 'Amara Diallo']);
  const seen = await second.evaluate(() => (window as unknown as { seen: readonly string[] }).seen);
  assert.deepEqual(seen, ['Amara Diallo']);
  await picture(second, 'hz-13-late-joiner');
  await first.context().close();
});

test('HZ-14 a patient is found whatever the case, the accents and the order of the words', async () => {
  const page = await stage.person(/Lena Okafor/);
  const search = page.getByRole('searchbox', { name: 'Search patients' });
  for (const [text, name] of [
    ['schillingsfurst', 'Maximiliana'],
    ['SCHILLINGSFÜRST', 'Maximiliana'],
    ['diallo', 'Amara Diallo'],
    ['AMARA', 'Amara Diallo'],
    ['NF-900002', 'Mira Holm'],
  ] as const) {
    await search.fill(text);
    await page.locator('[data-testid="patient"]').nth(1).waitFor({ state: 'detached' });
    await page.locator('[data-testid="patient"]').filter({ hasText: name }).waitFor();
  }
  await picture(page, 'hz-14-found');
  await page.context().close();
});

test('HZ-16 a stranger neither joins a session nor changes it', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const { topic } = await OtherApp.of(page);
  const stranger = new OtherApp(stage.origin, { token: 'nobody-gave-this', topic });
  assert.equal((await stranger.attempt('Patient-open', [patientElement('kofi-mensah')])).status, 401);
  const form = `hub.channel.type=websocket&hub.mode=subscribe&hub.topic=${topic}&hub.events=*&subscriber.name=Stranger`;
  assert.equal((await stranger.request(form, 'application/x-www-form-urlencoded')).status, 401);
  assert.equal((await stranger.request(undefined, 'application/json', `/${topic}`)).status, 401);
  await headline(page, 'in-sync').waitFor();
  assert.deepEqual(await shownAndOpen(page), ['Amara Diallo', 'Amara Diallo']);
  assert.equal(await member(page, 'Stranger').count(), 0);
  await picture(page, 'hz-16-stranger');
  await page.context().close();
});

test('HZ-17 an application whose answer to a refresh was lost stays in the session', async () => {
  const page = await stage.person(/Lena Okafor/);
  await openPatient(page, /Amara Diallo/);
  const granted = page.waitForResponse(
    async (response) =>
      response.request().method() === 'POST' && /"refresh_token"/.test(await response.text().catch(() => '')),
  );
  const viewer = await run(page, 'Image viewer');
  const answer = await granted;
  const { refresh_token } = (await answer.json()) as { readonly refresh_token: string };
  const client = new URLSearchParams(answer.request().postData() ?? '').get('client_id') ?? '';
  const form = new URLSearchParams({ grant_type: 'refresh_token', refresh_token, client_id: client });
  // The first answer is the lost one: nobody reads it.
  const refreshed = async () => (await fetch(answer.url(), { method: 'POST', body: form })).json();
  const [lost, kept] = [await refreshed(), await refreshed()];
  assert.equal(kept.refresh_token, lost.refresh_token);
  assert.equal(kept['hub.topic'], lost['hub.topic']);
  await openPatient(page, /Kofi Mensah/);
  await shows(viewer, 'Kofi Mensah');
  await headline(page, 'in-sync').waitFor();
  await picture(page, 'hz-17-refreshed');
  await page.context().close();
});

test('HZ-18 the EHR answers 200 when the patient is on the screen, and not before', async () => {
  const page = await stage.browser();
  await page.addInitScript(() => {
    const shown: string[] = [];
    Object.assign(window, { shown });
    const send = WebSocket.prototype.send;
    WebSocket.prototype.send = function (this: WebSocket, data) {
      if (/"status":200/.test(String(data)))
        shown.push(document.querySelector('[role="tabpanel"] h2')?.textContent ?? '');
      return send.call(this, data);
    };
  });
  await stage.signIn(page, /Lena Okafor/);
  const other = await OtherApp.of(page);
  const people = { 'priya-raman': 'Priya Raman', 'kofi-mensah': 'Kofi Mensah', 'amara-diallo': 'Amara Diallo' };
  for (const [id, name] of Object.entries(people)) {
    await other.publish('Patient-open', [patientElement(id)]);
    await page.getByRole('tabpanel').getByRole('heading', { name }).waitFor();
    await headline(page, 'in-sync').waitFor();
  }
  const shown = await page.evaluate(() => (window as unknown as { shown: readonly string[] }).shown);
  assert.deepEqual([...new Set(shown)], Object.values(people));
  await picture(page, 'hz-18-answered-from-the-screen');
  await page.context().close();
});

test('no page reported an error, and no other server was asked for anything', () => {
  assert.deepEqual(stage.complaints, []);
  assert.deepEqual(stage.strangers, []);
});
