import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { RawSubscriber } from './raw-subscriber.ts';
import { member, openPatient, Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  // For as long as a test looks, an answer may still come.
  stage = await Stage.open({ LOCKSTEP_ANSWER_SECONDS: '600' });
});
after(() => stage.close());

test('ERR-8 list and inspector say who has not answered, who does not follow, since when, and what it still shows', async () => {
  const page = await stage.person(/Lena Okafor/);
  const raw = await RawSubscriber.join(page, 'Desktop PACS', ['Patient-open', 'Patient-close'], () => 200);
  await openPatient(page, /Walter Pruitt/);
  await member(page, 'Desktop PACS')
    .getByText(/^followed/)
    .waitFor();
  const administrator = await stage.person(/Administrator/);
  await administrator.getByRole('link', { name: 'Sessions', exact: true }).click();
  const row = administrator.locator('[data-testid="sessions"] tr').filter({ hasText: 'Dr. Lena Okafor' });
  await row.getByText('everybody follows').waitFor();
  raw.answering = () => undefined;
  await openPatient(page, /Priya Raman/);
  await row.getByText(/not answered yet, since \d\d:\d\d/).waitFor();
  await administrator.getByText(/with somebody who does not follow/).waitFor();
  await row.getByRole('link', { name: 'Dr. Lena Okafor' }).click();
  const behind = administrator.getByTestId('following').getByRole('listitem').filter({ hasText: 'Desktop PACS' });
  await behind.getByText(/not answered yet, since \d\d:\d\d/).waitFor();
  await behind.getByText('still shows Patient/walter-pruitt').waitFor();
  raw.answerLatest(409);
  await behind.getByText(/refused, since \d\d:\d\d/).waitFor();
  await behind.getByText('still shows Patient/walter-pruitt').waitFor();
  raw.answerLatest(200);
  await administrator.getByTestId('following').getByText('everybody follows').waitFor();
  raw.close(1000);
  await page.context().close();
  await administrator.context().close();
});

test('the inspector shows a session live, replays it, composes into it and exports it', async () => {
  const page = await stage.person(/Mei Tanaka/);
  const administrator = await stage.person(/Administrator/);
  await administrator.getByRole('link', { name: 'Sessions', exact: true }).click();
  await administrator.locator('[data-testid="sessions"]').getByRole('link', { name: 'Dr. Mei Tanaka' }).click();
  const timeline = administrator.getByRole('listbox', { name: 'Timeline' });
  await timeline.waitFor();
  await openPatient(page, /Walter Pruitt/);
  await timeline.getByRole('option').filter({ hasText: 'by EHR' }).first().waitFor();
  const open = administrator.getByRole('region', { name: 'Details' });
  await open.getByRole('heading', { name: /Patient\/walter-pruitt/ }).waitFor();

  // Composed events reach the application as any other.
  await administrator.getByText('Compose', { exact: true }).click();
  await administrator.getByLabel('patient', { exact: true }).fill('');
  await administrator.getByRole('button', { name: 'Publish' }).click();
  await administrator.getByText('Needed by this event').waitFor();
  await administrator.getByLabel('patient', { exact: true }).fill('priya-raman');
  await administrator.getByRole('button', { name: 'Publish' }).click();
  await administrator.getByText('Accepted (202).').waitFor();
  await page.getByRole('tabpanel').getByRole('heading', { name: 'Priya Raman' }).waitFor();
  await page.getByTestId('context').getByText('Priya Raman', { exact: true }).waitFor();
  await timeline.getByRole('option').filter({ hasText: 'by the composer of admin' }).waitFor();
  await administrator.getByText('JSON', { exact: true }).click();
  await administrator.getByLabel('The message as it is posted').fill('{"event": ');
  await administrator.getByRole('button', { name: 'Publish' }).click();
  await administrator.getByText('Not valid JSON').waitFor();
  await administrator.getByLabel('The message as it is posted').fill('{"event": 1}');
  await administrator.getByRole('button', { name: 'Publish' }).click();
  await open.getByRole('alert').waitFor();

  // Step by step through what happened.
  await administrator.getByText('Open and shared', { exact: true }).click();
  await administrator.getByRole('button', { name: 'One event back' }).click();
  await open.getByText('event 1 of 2').waitFor();
  await administrator.getByRole('button', { name: 'One event on' }).click();
  await open.getByText('event 2 of 2').waitFor();
  await open.getByRole('heading', { name: /Patient\/priya-raman/ }).waitFor();

  const downloading = administrator.waitForEvent('download');
  await administrator.getByRole('link', { name: 'Export JSON lines' }).click();
  const lines = (await readFile(await (await downloading).path(), 'utf8')).trim().split('\n');
  const events = lines.map((line) => JSON.parse(line) as { type: string; kind?: string });
  assert.equal(events.filter(({ type }) => type === 'event').length, 2);
  assert.ok(events.some(({ kind }) => kind === 'answered'));

  await administrator.getByRole('button', { name: 'End session' }).click();
  await administrator.getByRole('dialog').getByRole('button', { name: 'End session' }).click();
  await administrator.getByRole('heading', { name: 'Sessions', exact: true }).waitFor();
  await page.locator('[data-testid="own-status"][data-status="closed"]').waitFor();
  await page.getByRole('button', { name: 'Rejoin' }).click();
  await page.locator('[data-testid="own-status"][data-status="in-sync"]').waitFor();
  await administrator.context().close();
  await page.context().close();
});

test('ten thousand entries: only the rows in view exist, also of those that are searched for', async () => {
  const administrator = await stage.person(/Administrator/);
  const { topic } = await stage.lockstep.hub.openSession({ user: 'Practitioner/busy' });
  await administrator.goto(`${stage.origin}/sessions/${topic}`);
  await administrator.getByRole('listbox', { name: 'Timeline' }).waitFor();
  for (let index = 0; index < 10_000; index++) {
    stage.lockstep.inspector.observe(topic, Date.now(), {
      kind: 'answered',
      subscription: 's',
      subscriber: index % 10 === 0 ? 'Desktop PACS' : 'Busy',
      eventId: `e${index}`,
      status: 200,
      ms: index % 40,
    });
  }
  await administrator.getByText('10,000 rows').waitFor();
  assert.ok((await administrator.getByRole('option').count()) < 120);
  await administrator.getByRole('listbox', { name: 'Timeline' }).press('Home');
  await administrator.getByRole('option').first().waitFor();
  assert.ok((await administrator.getByRole('option').count()) < 120);
  const find = administrator.getByRole('searchbox', { name: 'Search the timeline' });
  for (const [query, rows, first] of [
    ['pacs', '1,000 rows', 'Desktop PACS'],
    ['busy 200', '9,000 rows', 'Busy'],
    ['e7531', '1 row', 'Busy'],
    ['nobody', '0 rows', undefined],
  ] as const) {
    await find.fill(query);
    await administrator.getByText(rows, { exact: true }).waitFor();
    if (first) await administrator.getByRole('option').first().getByText(first).waitFor();
    assert.ok((await administrator.getByRole('option').count()) < 120, query);
  }
  await administrator.context().close();
});

test('SES-4 sessions are for administrators', async () => {
  const page = await stage.person(/Lena Okafor/);
  assert.equal(await page.getByRole('link', { name: 'Sessions', exact: true }).count(), 0);
  const statuses = await page.evaluate(() =>
    Promise.all(
      ['sessions', 'apps/sample-viewer', 'me'].map(async (path) => (await fetch(`/api/console/${path}`)).status),
    ),
  );
  assert.deepEqual(statuses, [403, 403, 200]);
  const unsigned = await page.evaluate(
    async () =>
      (
        await fetch('/api/console/token', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: '{}',
        })
      ).status,
  );
  assert.equal(unsigned, 403);
  await page.context().close();
});
