/** The examples for pages, each built as its readers build it, in Chromium against a real Lockstep. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { build as esbuild } from 'esbuild';
import type { Browser } from 'playwright-core';
import { build } from 'vite';
import { startChromium } from '../../../scripts/chromium.ts';
import { ROOT } from './guides.ts';
import { HubClient, patient, sharedLockstep } from './harness.ts';

const examples = join(ROOT, 'examples', 'javascript');

/** What a page around the example does, as an app would: it makes the subscriber and shows what the example gives. */
const AROUND: Readonly<Record<'react' | 'vue' | 'angular', string>> = {
  react: `
    import { createElement } from 'react';
    import { createRoot } from 'react-dom/client';
    import { OpenPatient } from '${examples}/react.tsx';
    createRoot(document.body).render(createElement(OpenPatient, { subscriber }));`,
  vue: `
    import { createApp, h } from 'vue';
    import { useSubscriber } from '${examples}/vue.js';
    createApp({ setup() {
      const { context, state } = useSubscriber(subscriber);
      return () => h('section', [
        h('p', { role: 'status' }, state.value.status === 'in-sync' ? 'In sync' : 'Not in sync'),
        h('p', context.value ? context.value.type + '/' + context.value.id : 'nothing is open'),
      ]);
    } }).mount(document.body.appendChild(document.createElement('main')));`,
  angular: `
    import { bootstrapApplication } from '@angular/platform-browser';
    import { OpenPatient, SUBSCRIBER } from '${examples}/angular.ts';
    document.body.append(document.createElement('app-open-patient'));
    await bootstrapApplication(OpenPatient, { providers: [{ provide: SUBSCRIBER, useValue: subscriber }] });`,
};

const SUBSCRIBER = `
  import { Subscriber } from '@lockstep/client';
  import { fromUrl } from '@lockstep/client/launch';
  const subscriber = new Subscriber({ ...fromUrl(location), token: location.hash.slice(7), name: 'Example', events: ['Patient-open'] });
  subscriber.follow(() => undefined);
  subscriber.connect();`;

/** A page's script, as a bundler makes it of a module that is given as text. */
async function bundled(module: string): Promise<string> {
  const made = await build({
    root: join(ROOT, 'packages', 'console'),
    configFile: false,
    logLevel: 'error',
    plugins: [
      {
        name: 'example',
        resolveId: (id) => (id === 'example' ? '\0example.js' : undefined),
        load: (id) => (id === '\0example.js' ? module : undefined),
      },
    ],
    define: {
      'process.env.NODE_ENV': '"production"',
      __VUE_OPTIONS_API__: 'true',
      __VUE_PROD_DEVTOOLS__: 'false',
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: 'false',
    },
    build: {
      write: false,
      target: 'es2023',
      modulePreload: { polyfill: false },
      rollupOptions: { input: 'example', preserveEntrySignatures: 'strict' },
    },
  });
  const outputs = [made].flat().flatMap((one) => ('output' in one ? one.output : []));
  return outputs.flatMap((one) => (one.type === 'chunk' ? [one.code] : [])).join('\n');
}

/** The same with Angular, whose templates are compiled in the browser: its decorators are those before the standard. */
async function bundledWithAngular(module: string): Promise<string> {
  const { outputFiles } = await esbuild({
    stdin: { contents: `import '@angular/compiler';${module}`, resolveDir: join(ROOT, 'packages', 'console') },
    tsconfigRaw: { compilerOptions: { experimentalDecorators: true } },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

const { origin } = await sharedLockstep();

describe('the examples for pages', () => {
  let browser: Browser;
  let scripts: Readonly<Record<string, string>>;
  let address = '';
  const server = createServer((request, response) => {
    const name = request.url?.slice(1).split(/[?#]/)[0] ?? '';
    const isScript = name.endsWith('.js');
    response.writeHead(200, { 'content-type': isScript ? 'text/javascript' : 'text/html; charset=utf-8' });
    if (isScript) response.end(scripts[name]);
    else if (name === 'page') response.end(readFileSync(join(examples, 'page.html')));
    else response.end(`<!doctype html><title>${name}</title><body><script type="module" src="/${name}.js"></script>`);
  });
  before(async () => {
    scripts = {
      'react.js': await bundled(SUBSCRIBER + AROUND.react),
      'vue.js': await bundled(SUBSCRIBER + AROUND.vue),
      'angular.js': await bundledWithAngular(SUBSCRIBER + AROUND.angular),
      // The file that npm run pack writes for pages without a bundler.
      'browser.js': await bundled(`export * from '${join(ROOT, 'packages/client/src/browser.ts')}';`),
    };
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    address = `http://localhost:${(server.address() as AddressInfo).port}`;
    browser = await startChromium();
  });
  after(async () => {
    await browser.close();
    server.close();
    server.closeAllConnections();
  });

  for (const [name, inSync] of [
    ['page', 'lockstep-status[status="in-sync"]'],
    ['react', '[role="status"]:has-text("In sync")'],
    ['vue', '[role="status"]:has-text("In sync")'],
    ['angular', '[role="status"]:has-text("In sync")'],
  ] as const) {
    it(`${name}: shows what is open, and that it is in sync`, async () => {
      const hub = await HubClient.backend(origin);
      const topic = await hub.session(`Practitioner/${name}`);
      const page = await browser.newPage();
      const problems: string[] = [];
      page.on('pageerror', (error) => problems.push(String(error)));
      const query = new URLSearchParams({ 'hub.url': hub.hubUrl, 'hub.topic': topic });
      await page.goto(`${address}/${name}?${query}#token=${hub.token}`);
      await page.locator(inSync).waitFor();
      await page.getByText('nothing is open').waitFor();
      await hub.publish(topic, 'Patient-open', [patient('walter')]);
      await page.getByText('Patient/walter').waitFor();
      await page.locator(inSync).waitFor();
      assert.deepEqual(problems, []);
      await page.close();
    });
  }
});
