/** The browser that tests drive. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

/** Chromium without what draws its windows: the same pages take half the CPU. */
const HEADLESS_SHELL = '/usr/bin/chromium-headless-shell';

/** Path of Chromium as Debian packages it. */
const CHROMIUM = existsSync(HEADLESS_SHELL) ? HEADLESS_SHELL : '/usr/bin/chromium';

/** How long a test waits for what must happen before it fails, ms: much longer than it takes on a busy machine. */
const PATIENCE = 180_000;

const how = (args: readonly string[]) => ({ executablePath: CHROMIUM, args: [...args], timeout: PATIENCE });

/** Starts Chromium. Its pages wait for what must happen as long as a busy machine needs. @param args its command-line options */
export async function startChromium(args: readonly string[] = ['--no-sandbox']): Promise<Browser> {
  const browser = await chromium.launch(how(args));
  return browser.on('context', (context) => context.setDefaultTimeout(PATIENCE));
}

/** Starts Chromium with one context that keeps its data in a folder. @param args its command-line options */
export async function startChromiumIn(folder: string, args: readonly string[]): Promise<BrowserContext> {
  const context = await chromium.launchPersistentContext(folder, how(args));
  context.setDefaultTimeout(PATIENCE);
  return context;
}
