/** Measures how soon the patient list answers each key that is typed into its search; prints JSON. */
import type { Page } from 'playwright-core';
import { Stage } from '../test/stage.ts';

const PATIENTS = 5000;
const GIVEN = ['Rosa', 'Ömer', 'Agnès', 'Jürgen', 'Mei', 'Zoë', 'Tariq', 'Siobhán', 'Ivana', 'Ngozi'];
const FAMILY = ['Quispe', 'Yıldız', 'Lefèvre', 'Müller', 'Tanaka', 'Novák', 'Haddad', 'Ní Bhriain', 'Horvat', 'Okoye'];
/** What is typed, key by key: as people write names, numbers and dates. */
const TYPED = {
  'family name': 'müller',
  'names in another order': 'quispe rosa',
  'record number': 'MR-104321',
  'name and date of birth': 'tariq 22/05/1938',
  'nobody of this name': 'xylophone',
} as const;
/** How often each is typed and counts; once before warms up. */
const TURNS = 3;

const patient = (index: number) => ({
  resourceType: 'Patient',
  id: `p-${index}`,
  name: [{ given: [GIVEN[index % 10]], family: FAMILY[Math.floor(index / 10) % 10] }],
  birthDate: new Date(Date.UTC(1930, 0, 1 + index * 5)).toISOString().slice(0, 10),
  identifier: [{ system: 'urn:example:mrn', value: `MR-${100_000 + index}`, type: { coding: [{ code: 'MR' }] } }],
});

const quantile = (values: readonly number[], part: number): number =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * part))] ?? Number.NaN;

/** Presses a key. @returns ms from the key to the frame that shows what was found, and to the first frame that shows the key */
async function press(page: Page, key: string): Promise<{ readonly answer: number; readonly echo: number }> {
  const answered = page.evaluate(
    () =>
      new Promise<{ answer: number; echo: number }>((resolve) => {
        addEventListener(
          'input',
          ({ timeStamp }) => {
            let echo = 0;
            const look = (): void => {
              const list = document.querySelector('[data-testid="patient-list"]');
              // A task after the frame's: the frame has been handed to the screen.
              setTimeout(() => {
                const now = performance.now() - timeStamp;
                echo ||= now;
                if (list?.getAttribute('aria-busy') === 'false') resolve({ answer: now, echo });
                else requestAnimationFrame(look);
              });
            };
            requestAnimationFrame(look);
          },
          { once: true, capture: true },
        );
        document.documentElement.dataset.listens = 'yes';
      }),
  );
  await page.locator('html[data-listens]').waitFor();
  await page.keyboard.type(key);
  const measured = await answered;
  await page.evaluate(() => delete document.documentElement.dataset.listens);
  return measured;
}

const stage = await Stage.open({}, { records: Array.from({ length: PATIENTS }, (_, index) => patient(index)) });
const page = await stage.person(/Lena Okafor/);
const field = page.getByRole('searchbox', { name: 'Search patients' });
const measured = [];
for (const [what, typed] of Object.entries(TYPED)) {
  const answers: number[] = [];
  const echoes: number[] = [];
  for (let turn = 0; turn <= TURNS; turn++) {
    await field.fill('');
    await field.focus();
    for (const key of typed) {
      const { answer, echo } = await press(page, key);
      if (turn === 0) continue;
      answers.push(answer);
      echoes.push(echo);
    }
  }
  const percentiles = { medianMs: quantile(answers, 0.5), p95Ms: quantile(answers, 0.95) };
  measured.push({ what: `${what}: ${typed}`, ...percentiles, echoMs: quantile(echoes, 0.95) });
}
await stage.close();
console.log(JSON.stringify({ patients: PATIENTS, measured }));
