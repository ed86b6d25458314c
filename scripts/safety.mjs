// npm run safety: drives Chromium through the hazards that show on a screen, and takes the pictures in docs/safety.
import { join } from 'node:path';
import process from 'node:process';
import { ensureInstalled, root, runNode } from './bootstrap.mjs';

ensureInstalled();
process.env.HAZARD_PICTURES = 'docs';
const built = await runNode([join(root, 'scripts', 'build.mjs')]);
process.exitCode =
  built || (await runNode(['--test', '--test-timeout=300000', join(root, 'packages/console/test/hazards.test.ts')]));
