/** The browser that tests drive. */
import { existsSync } from 'node:fs';

/** Chromium without what draws its windows: the same pages take half the CPU. */
const HEADLESS_SHELL = '/usr/bin/chromium-headless-shell';

/** Path of Chromium as Debian packages it. */
export const CHROMIUM = existsSync(HEADLESS_SHELL) ? HEADLESS_SHELL : '/usr/bin/chromium';
