/** Applications that are healthy but for one thing. */
import type { Report } from '../../src/index.ts';
import { runSubscriberConformance } from '../../src/index.ts';
import { APP_DEFECTS, type AppDefect, ModelApp } from '../model-app.ts';

export interface SeededApp {
  readonly name: string;
  readonly check: string;
  readonly by: 'model' | 'messages';
}

export const APP_MUTANTS: readonly SeededApp[] = Object.entries(APP_DEFECTS).map(([name, check]) => ({
  name,
  check,
  by: 'model',
}));

/** Tests the application with a defect, with somebody at it who does as told. */
export async function judgeApp(name: string, only: readonly string[]): Promise<Report> {
  const apps: ModelApp[] = [];
  const report = await runSubscriberConformance({
    name,
    launch: async (invitation) => {
      const app = await ModelApp.launch(invitation, name as AppDefect);
      apps.push(app);
      return app;
    },
    ask: async (instruction) => (await apps.at(-1)?.do(instruction)) ?? false,
    timeoutMs: 3000,
    settleMs: 150,
    startMs: 3000,
    versions: ['3.0.0', 'IRA'],
    only,
  });
  for (const app of apps) await app.quit().catch(() => undefined);
  return report;
}
