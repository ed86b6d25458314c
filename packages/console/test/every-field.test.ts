/** Every field of every page, found by walking: what is typed into it is text, in its place, and what is wrong is said beside it. */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { Frame, Page } from 'playwright-core';
import { readCatalog, SAMPLES } from '../build/messages.ts';
import { broken } from './broken.ts';
import { run, Stage } from './stage.ts';

/** What is typed into every field. */
const INPUTS = {
  script: `"'><script>window.broken=1</script>\${window.broken=1}{{7*7}}`,
  markup: '<img src=x onerror="window.broken=1"><b>bold</b>&lt;i&gt;',
  'controls of direction': 'one \u202etwo\u2066 three \u2067עברית',
  '10,000 characters': 'x'.repeat(10_000),
} as const;

const ENGLISH = readCatalog('en');
const SAMPLES_ENGLISH = readCatalog('en', SAMPLES);

/** Fields whose name is made of what they are for; the walk meets them under the name that stands here. */
/** Fields that are asked for in the second step of a sign-in alone. */
const SECOND_STEP = ['start.codeOfYourAuthenticatorApp', 'shell.oneTimePassword'].map((key) => ENGLISH[key] ?? '');

const NAMED_BY_USE: Readonly<Record<string, readonly string[]>> = {
  'sessions/composer.tsx': ['patient'],
  'launch/people.tsx': [ENGLISH['launch.findAPatient'] ?? ''],
};

/** What wraps a field; the name is given by those that use it. */
const WRAPPERS = ['ui/search-field.tsx', 'ui/password-field.tsx'];

/** Names of the fields that the pages have, by the file that writes them. */
function writtenFields(): ReadonlyMap<string, string> {
  const source = new URL('../src/', import.meta.url);
  const found = new Map<string, string>();
  for (const file of globSync('**/*.tsx', { cwd: source })) {
    if (WRAPPERS.includes(file)) continue;
    const text = readFileSync(new URL(file, source), 'utf8');
    const tags = text.matchAll(/<(?:\w*Input|Textarea|Autocomplete|\w*Field|input|textarea)\s([\s\S]*?)\/>/g);
    for (const [whole, attributes = ''] of tags) {
      const named = /\b(?:label|name|aria-label)=(?:"([^"]+)"|\{([\s\S]*?)\}\s)/.exec(`${attributes} `);
      const keys = [...(named?.[2] ?? '').matchAll(/\bt\('([^']+)'/g)].map(([, key = '']) => ENGLISH[key] ?? key);
      const names = named?.[1] === undefined ? keys : [named[1]];
      const known = names.length > 0 ? names : (NAMED_BY_USE[file] ?? [`without a name: ${whole.slice(0, 60)}`]);
      for (const name of known) found.set(name, file);
    }
  }
  return found;
}

const TYPED = ['text', 'search', 'password', 'url', 'email', 'tel', 'number'];

/** Types a text into every visible field. @returns the names of the fields */
function type(where: Page | Frame, value: string): Promise<readonly string[]> {
  return where.evaluate(
    ({ text, types }) => {
      for (const part of document.querySelectorAll<HTMLDetailsElement>('main details')) part.open = true;
      if (document.adoptedStyleSheets.length === 0) {
        // A button whose wait is over moves its words back into place for a while.
        const still = new CSSStyleSheet();
        still.replaceSync('* { transition: none !important }');
        document.adoptedStyleSheets = [still];
      }
      const scope = document.querySelector('[role="dialog"]') ?? document.body;
      const fields = [...scope.querySelectorAll<HTMLInputElement | HTMLTextAreaElement>('input, textarea')].filter(
        (field) =>
          (field instanceof HTMLTextAreaElement || types.includes(field.type)) &&
          field.checkVisibility() &&
          !field.disabled &&
          !field.readOnly,
      );
      for (const field of fields) {
        const { set } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(field), 'value') ?? {};
        // As a keyboard would: no more than the field takes.
        set?.call(field, field.maxLength < 0 ? text : text.slice(0, field.maxLength));
        field.dispatchEvent(new Event('input', { bubbles: true }));
      }
      return fields.map((field) => (field.getAttribute('aria-label') ?? field.labels?.[0]?.innerText ?? '').trim());
    },
    { text: value, types: TYPED },
  );
}

/** Errors of fields that are not beside them, alerts of forms that belong to no field, and direction that turns its surroundings. */
function misplaced(where: Page | Frame): Promise<readonly string[]> {
  return where.evaluate(() => {
    const found: string[] = [];
    for (const field of document.querySelectorAll<HTMLElement>('[aria-invalid="true"]')) {
      if (!field.checkVisibility()) continue;
      const name =
        field.getAttribute('aria-label') ?? (field as HTMLInputElement).labels?.[0]?.innerText ?? field.tagName;
      const said = (field.getAttribute('aria-describedby') ?? '')
        .split(' ')
        .map((id) => document.getElementById(id))
        .filter((one) => one?.checkVisibility() && /error|problem/.test(one.id) && /\p{L}{2}/u.test(one.innerText));
      const [error] = said;
      if (!error) {
        found.push(`nothing is said of ${name}`);
        continue;
      }
      const at = field.getBoundingClientRect();
      const beside = error.getBoundingClientRect();
      const gap = Math.max(beside.top - at.bottom, at.top - beside.bottom);
      if (gap > 40 || beside.left > at.right || beside.right < at.left)
        found.push(`not beside ${name}: ${Math.round(gap)} px`);
    }
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = texts.nextNode(); node; node = texts.nextNode()) {
      const { parentElement: parent, nodeValue } = node;
      if (!/[\u202a-\u202e\u2066\u2067]/.test(nodeValue ?? '') || !parent?.checkVisibility()) continue;
      if (parent.closest('textarea, option, script, style, pre')) continue;
      let holder: HTMLElement | null = parent;
      while (
        holder &&
        getComputedStyle(holder).display === 'inline' &&
        !/isolate|plaintext/.test(getComputedStyle(holder).unicodeBidi)
      )
        holder = holder.parentElement;
      const isIsolated =
        /isolate|plaintext/.test(holder ? getComputedStyle(holder).unicodeBidi : '') &&
        holder?.matches('bdi, bdi *, [dir="auto"]');
      // What a sentence holds is isolated by characters; what stands alone has nothing around it to turn.
      if (!isIsolated && !nodeValue?.includes('\u2068') && holder?.textContent !== nodeValue)
        found.push(`turns what is around it: ${parent.tagName} ${JSON.stringify(nodeValue?.slice(0, 60))}`);
    }
    return found;
  });
}

/** Choices of one, and of some; scopes are many, and bring no fields about. */
const CHECKS = 'main input[type=radio], main input[type=checkbox]:not(:has(~ * code)):not(label:has(code) input)';

interface Choice {
  readonly kind: 'check' | 'select';
  readonly index: number;
  readonly option: number;
}

/** Choices that may bring other fields about. */
function choices(page: Page): Promise<readonly Choice[]> {
  return page.evaluate((checks) => {
    const scope = document;
    return [
      ...[...scope.querySelectorAll(checks)].map((_, index) => ({ kind: 'check' as const, index, option: 0 })),
      ...[...scope.querySelectorAll<HTMLSelectElement>('main select')].flatMap(({ options }, index) =>
        // Of many, such as patients, the last is the one that is something else.
        [...options].flatMap((_, option) =>
          options.length <= 8 || option === options.length - 1 ? [{ kind: 'select' as const, index, option }] : [],
        ),
      ),
    ];
  }, CHECKS);
}

async function choose(page: Page, { kind, index, option }: Choice): Promise<void> {
  await page.evaluate(
    (one) => {
      if (one.kind === 'check') {
        const input = document.querySelectorAll<HTMLInputElement>(one.checks)[one.index];
        if (input && !input.checked && !input.disabled) input.click();
        return;
      }
      const select = document.querySelectorAll<HTMLSelectElement>('main select')[one.index];
      if (!select || select.disabled || select.selectedIndex === one.option || one.option >= select.options.length)
        return;
      select.selectedIndex = one.option;
      select.dispatchEvent(new Event('change', { bubbles: true }));
    },
    { kind, index, option, checks: CHECKS },
  );
  await drawn(page);
}

async function drawn(where: Page | Frame): Promise<void> {
  await where.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done))));
}

const SENDS = ['sessions.publish', 'apps.register', 'conformance.run'].map((key) => ENGLISH[key]);

/** Sends what was typed, and waits for the answer. */
async function send(page: Page): Promise<void> {
  await page.evaluate((names) => {
    const scope = document.querySelector('[role="dialog"]') ?? document.querySelector('main') ?? document.body;
    const sent = new Set<HTMLFormElement | null>();
    for (const button of scope.querySelectorAll<HTMLButtonElement>('button')) {
      const { form } = button;
      const isSubmit =
        button.type === 'submit' && form?.querySelector('input:not([type=hidden]), textarea') && !sent.has(form);
      const isSend = names.includes(button.innerText.trim()) || /^Launch the/.test(button.innerText);
      if (!(isSubmit || isSend) || !button.checkVisibility() || button.disabled) continue;
      sent.add(form);
      button.click();
    }
  }, SENDS);
  await drawn(page);
  await page.locator('button[data-loading]').first().waitFor({ state: 'detached' });
  await drawn(page);
}

async function settled(page: Page): Promise<void> {
  await page.locator('h1').last().waitFor();
  await page.locator('[data-testid="waiting"]').first().waitFor({ state: 'detached' });
}

async function go(page: Page, path: string): Promise<void> {
  await page.evaluate((to) => {
    history.pushState(null, '', to);
    dispatchEvent(new PopStateEvent('popstate'));
  }, path);
  await settled(page);
}

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

/** What was found wrong, and the fields that were typed into. */
class Walk {
  readonly wrong: string[] = [];
  readonly fields = new Set<string>();

  async look(where: Page | Frame, place: string): Promise<void> {
    for (const one of [...(await broken(where)), ...(await misplaced(where))]) this.wrong.push(`${place}: ${one}`);
  }

  /** Each of the inputs in each field that is there, sent where there is something to send it. */
  async form(page: Page, place: string): Promise<void> {
    for (const [what, text] of Object.entries(INPUTS)) {
      if (!(await this.once(page, `${place}, ${what}`, text))) return;
    }
  }

  /** @returns whether there is a field */
  async once(page: Page, place: string, text: string): Promise<boolean> {
    const names = await type(page, text);
    if (names.length === 0) return false;
    for (const name of names) this.fields.add(name);
    await drawn(page);
    await this.look(page, place);
    await send(page);
    await this.look(page, `${place}, sent`);
    return true;
  }

  /** The page's fields, and those that its choices bring about. */
  async page(page: Page, place: string): Promise<void> {
    await this.form(page, place);
    await this.choices(page, place, 'select');
    await this.choices(page, place, 'check');
  }

  async choices(page: Page, place: string, kind: Choice['kind']): Promise<void> {
    for (const choice of await choices(page)) if (choice.kind === kind) await this.choice(page, place, choice);
  }

  /** What a choice brings about, and the lists beside it. */
  async choice(page: Page, place: string, choice: Choice): Promise<void> {
    await choose(page, choice);
    const names = await type(page, '');
    if (names.every((name) => this.fields.has(name))) return;
    const where = `${place} ${JSON.stringify(choice)}`;
    await this.form(page, where);
    if (choice.kind === 'check') await this.choices(page, where, 'select');
  }
}

/** One page of each kind: an address without the names in it. */
const kindOf = (path: string): string =>
  path
    .split('/')
    .map((part, index) => (index > 1 && part !== 'new' && part !== 'studies' ? ':name' : part))
    .join('/');

/** Addresses to begin at: those that no link leads to. */
const BEGIN = ['/', '/join/code', '/nowhere', '/users/dr-mei-tanaka'];

test('CWE-79 every field of every page shows what is typed as text in its place, and what is wrong beside it', async () => {
  stage.provoked.push(/^4\d\d /);
  const walk = new Walk();
  const signIn = await stage.browser({ width: 390, height: 844 });
  await signIn.goto(stage.origin);
  await settled(signIn);
  await walk.form(signIn, 'sign-in');
  for (const [what, text] of Object.entries(INPUTS)) {
    await signIn.goto(`${stage.origin}/auth/sign-in`);
    assert.ok((await type(signIn, text)).length > 0);
    await signIn.locator('form').first().getByRole('button').first().click();
    await signIn.getByRole('alert').first().waitFor();
    await walk.look(signIn, `/auth/sign-in, ${what}`);
  }
  await signIn.context().close();

  // First: the walk gives the apps other names.
  const reader = await stage.person(/Lena Okafor/);
  await reader.locator('[data-testid="patient"]').filter({ hasText: 'Amara Diallo' }).click();
  await reader.getByRole('heading', { name: /Observations/ }).waitFor();
  const writer = await run(reader, 'Report writer');
  await writer
    .getByRole('button', { name: /CT Chest/ })
    .first()
    .click();
  await writer.getByLabel(SAMPLES_ENGLISH['writer.impression'] ?? '').waitFor();
  const [frame] = reader.frames().slice(1);
  for (const [what, text] of Object.entries(INPUTS)) {
    if (!frame) break;
    assert.ok((await type(frame, text)).length > 0);
    await drawn(frame);
    await walk.look(frame, `report writer, ${what}`);
  }
  // Last: what is typed into the search hides the apps.
  await walk.form(reader, 'chart');
  await reader.context().close();

  const page = await stage.person(/Administrator/, { viewport: { width: 390, height: 844 } });
  /** Opens what a press of a button brings about, types, and leaves it. */
  const dialog = async (place: string, ...buttons: readonly string[]): Promise<void> => {
    for (const [what, text] of Object.entries(INPUTS)) {
      for (const name of buttons)
        await page.getByRole('button', { name }).or(page.getByRole('menuitem', { name })).first().click();
      await page.getByRole('dialog').waitFor();
      assert.ok(await walk.once(page, `${place}, ${what}`, text));
      // What was taken has closed it.
      if (await page.getByRole('dialog').isVisible())
        await page.getByRole('dialog').getByRole('button').last().press('Escape');
      await page.getByRole('dialog').waitFor({ state: 'detached' });
    }
  };
  const openings: Readonly<Record<string, () => Promise<void>>> = {
    '/': () => dialog('password', 'Administrator', ENGLISH['shell.changePassword'] ?? ''),
    '/users/:name': () => dialog('set a password', ENGLISH['users.setAPassword'] ?? ''),
    '/conformance': async () => {
      await page.getByLabel(ENGLISH['conformance.anotherHub'] ?? '', { exact: true }).check();
      await page.getByLabel(ENGLISH['conformance.specification'] ?? '', { exact: true }).selectOption('STU2');
      await walk.form(page, 'another Hub of STU2');
    },
    '/sessions/:name': async () => {
      await page.getByText(ENGLISH['sessions.compose'] ?? '', { exact: true }).click();
      await walk.page(page, 'composer');
    },
  };
  const seen = new Map<string, string>();
  const left = [...BEGIN];
  for (let path = left.shift(); path !== undefined; path = left.shift()) {
    const kind = kindOf(path.split('?')[0] ?? '');
    if (seen.has(kind)) continue;
    seen.set(kind, path);
    await go(page, path);
    // Before anything is typed: a search hides what it does not find.
    const links = await page
      .locator('a[href^="/"]')
      .evaluateAll((all) => all.map((one) => one.getAttribute('href') ?? ''));
    left.push(...links);
    await openings[kind]?.();
    await go(page, path);
    await walk.page(page, path);
  }
  // Where the launch declares its client, and where a patient is open.
  for (const client of ['symmetric', 'asymmetric']) {
    const path = `/launch?app=by-address&client_type=${client}`;
    await go(page, path);
    await walk.form(page, path);
  }
  await page.context().close();

  const missed = [...writtenFields()].flatMap(([name, file]) =>
    walk.fields.has(name) || SECOND_STEP.includes(name) ? [] : [`${file}: ${name}`],
  );
  assert.deepEqual({ missed, wrong: [...new Set(walk.wrong)] }, { missed: [], wrong: [] });
  assert.deepEqual(stage.complaints, []);
});
