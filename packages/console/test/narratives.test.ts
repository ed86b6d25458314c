/** Markup in published events, a narrative before all (`text.div`): the Hub passes it on, and every page that shows something of an event shows it as text (CWE-79). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Frame, FrameLocator, Page } from 'playwright-core';
import { OtherApp, RawSubscriber } from './raw-subscriber.ts';
import { run, Stage } from './stage.ts';

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: markup of templates
/** What a page that made HTML of text would run, or would hold an element of. `top.ran` is set by whatever runs. */
const PAYLOADS: readonly string[] = [
  '<script class="hostile">top.ran=1</script>',
  '<img class="hostile" src="x" onerror="top.ran=1"/>',
  '<svg class="hostile" onload="top.ran=1"></svg>',
  '<svg><script class="hostile">top.ran=1</script></svg>',
  '<iframe class="hostile" srcdoc="&lt;script&gt;top.ran=1&lt;/script&gt;"></iframe>',
  '<iframe class="hostile" src="javascript:top.ran=1"></iframe>',
  '<a class="hostile" href="javascript:top.ran=1">x</a>',
  '<a class="hostile" href="java&#10;script:top.ran=1">x</a>',
  '<body class="hostile" onload="top.ran=1">',
  '<details class="hostile" open="" ontoggle="top.ran=1">x</details>',
  '<input class="hostile" autofocus="" onfocus="top.ran=1"/>',
  '<video class="hostile"><source onerror="top.ran=1"/></video>',
  '<object class="hostile" data="javascript:top.ran=1"></object>',
  '<embed class="hostile" src="javascript:top.ran=1"/>',
  '<form class="hostile" action="javascript:top.ran=1"><button>x</button></form>',
  '<style class="hostile">@import "javascript:top.ran=1"; p { background: url("javascript:top.ran=1") }</style>',
  '<meta class="hostile" http-equiv="refresh" content="0;url=javascript:top.ran=1"/>',
  '<math><mtext></mtext><mglyph class="hostile"><style><img src="x" onerror="top.ran=1"/></style></mglyph></math>',
  '<!--><script class="hostile">top.ran=1</script>-->',
  '"><b class="hostile" onclick="top.ran=1">\'-top.ran=1-\'{{top.ran=1}}${top.ran=1}',
];
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: markup of templates
const ALL = PAYLOADS.join(' ');

const narrative = { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${ALL}</div>` };
const code = { text: ALL, coding: [{ system: 'urn:x', code: 'x', display: ALL }] };
/** As the record has it, which takes no such narrative. */
const recorded = (number: number) => ({
  resourceType: 'Patient',
  id: `hostile-${number}`,
  name: [{ text: `Case ${number} ${PAYLOADS[number]}`, family: ALL }],
  birthDate: '1961-03-12',
  identifier: [{ system: 'urn:oid:1.2.3', value: `N${number} ${ALL}`, type: { text: ALL, coding: [{ code: 'MR' }] } }],
});
const patient = (number: number) => ({
  key: 'patient',
  resource: { ...recorded(number), text: narrative, gender: ALL },
});

let stage: Stage;
before(async () => {
  const records = [...PAYLOADS.keys()].map(recorded);
  stage = await Stage.open({ LOCKSTEP_ANSWER_SECONDS: '600' }, { records });
});
after(() => stage.close());

/** Elements that came of a payload, in every frame and shadow tree of a page; and whether one ran. */
async function harm(page: Page): Promise<readonly string[]> {
  const found = await Promise.all(page.frames().map(harmIn));
  return found.flat();
}

async function harmIn(frame: Frame): Promise<readonly string[]> {
  return frame.evaluate(() => {
    const found: string[] = [];
    const look = (root: Document | ShadowRoot): void => {
      for (const one of root.querySelectorAll('*')) {
        if (one.classList.contains('hostile')) found.push(one.outerHTML.slice(0, 100));
        for (const { name, value } of one.attributes) {
          if (/^(href|src|action|data)$/.test(name) && /^\s*java\s*script:/i.test(value))
            found.push(`${name}=${value}`);
          if (name === 'srcdoc') found.push(name);
        }
        if (one.shadowRoot) look(one.shadowRoot);
      }
    };
    look(document);
    if ('ran' in top!) found.push('a payload ran');
    return found;
  });
}

/** Waits until each of these shows the text. */
async function show(places: readonly (FrameLocator | Page)[], text: string): Promise<void> {
  await Promise.all(places.map((place) => place.locator('body').filter({ hasText: text }).waitFor()));
}

const put = (resource: object) => ({ request: { method: 'PUT' }, resource });
const syncErrorCoding = (part: string, value: string, display?: string) => ({
  system: `https://fhircast.hl7.org/events/syncerror/${part}`,
  code: value,
  ...(display !== undefined && { display }),
});

test('a page that made HTML of any of these would be found', async () => {
  stage.provoked.push(/^Refused to refresh about:blank/);
  const page = await stage.browser();
  for (const payload of PAYLOADS) {
    await page.setContent(payload);
    assert.notDeepEqual(await harm(page), [], payload);
  }
  await page.context().close();
});

test('PUB-13, CWE-79 what is in events is passed on as it came, and is text on every page that shows it', async () => {
  const page = await stage.person(/Lena Okafor/);
  const viewer = await run(page, 'Image viewer');
  const writer = await run(page, 'Report writer');
  const name = `Raw ${PAYLOADS[1]}`;
  const raw = await RawSubscriber.join(page, name, ['*'], () => 200);
  const app = await OtherApp.of(page);
  const administrator = await stage.person(/Administrator/);
  await administrator.goto(`${stage.origin}/sessions/${app.topic}`);
  await administrator.getByRole('listbox', { name: 'Timeline' }).waitFor();
  await administrator.getByText('Open and shared', { exact: true }).click();
  const harmed = async (): Promise<readonly string[]> => [...(await harm(page)), ...(await harm(administrator))];

  for (const number of PAYLOADS.keys()) {
    await app.publish('Patient-open', [patient(number)]);
    await show([page, viewer, writer], `Case ${number} ${PAYLOADS[number]}`);
    await show([administrator], `Patient/hostile-${number}`);
    assert.deepEqual(await harmed(), [], `payload ${number}`);
  }
  const current = await app.current();
  assert.deepEqual(current.context[0], patient(PAYLOADS.length - 1));

  const subject = { reference: 'Patient/kofi-mensah', display: ALL };
  const report = { resourceType: 'DiagnosticReport', id: 'hostile', status: 'unknown', text: narrative, subject };
  await app.publish('DiagnosticReport-open', [
    { key: 'report', resource: { ...report, code, conclusion: ALL, presentedForm: [{ title: ALL }] } },
    { key: 'patient', resource: { resourceType: 'Patient', id: 'kofi-mensah', text: narrative } },
    { key: 'study', resource: { resourceType: 'ImagingStudy', id: 'hostile', description: ALL, subject } },
  ]);
  await show([page, viewer, writer], 'Kofi Mensah');
  const found = { resourceType: 'Observation', status: 'final', code, text: narrative, note: [{ text: ALL }] };
  const entry = [
    put({ ...found, id: 'o1', valueString: ALL }),
    put({ ...found, id: 'o2', valueQuantity: { value: 1, unit: ALL } }),
  ];
  await app.publish(
    'DiagnosticReport-update',
    [
      { key: 'report', reference: { reference: 'DiagnosticReport/hostile' } },
      { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } },
    ],
    { 'context.versionId': (await app.current())['context.versionId'] },
  );
  await app.publish('org.example.hostile', [
    { key: 'x', resource: { resourceType: 'Patient', id: 'x', text: narrative } },
  ]);
  const coding = [
    syncErrorCoding('eventid', 'e1', ALL),
    syncErrorCoding('eventname', 'patient-open'),
    syncErrorCoding('subscriber', ALL),
  ];
  const issue = [{ severity: 'warning', code: 'processing', diagnostics: ALL, details: { text: ALL, coding } }];
  await app.publish('SyncError', [{ key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue } }]);
  raw.answering = () => 409;
  await app.publish('org.example.refused', []);
  await show([page, viewer, writer, administrator], PAYLOADS[1] ?? '');
  await page.locator('[data-member]').filter({ hasText: name }).waitFor();
  assert.deepEqual(await harmed(), []);

  // Every row of the timeline that can be unfolded, and every image of a replay.
  const rows = administrator.getByRole('option');
  for (let index = 0; index < Math.min(await rows.count(), 30); index += 1) await rows.nth(index).click();
  assert.deepEqual(await harmed(), []);
  assert.deepEqual(stage.complaints, []);
  raw.close(1000);
  await administrator.context().close();
  await page.context().close();
});
