/** Accessibility as axe sees it. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Frame, Page } from 'playwright-core';

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

interface Finding {
  readonly id: string;
  readonly nodes: readonly { readonly html: string; readonly failureSummary: string }[];
}

/** Everything that axe finds, also what its defaults leave out: targets too small to be hit (WCAG 2.2). */
export async function findings(page: Page | Frame, rules: readonly string[] = []): Promise<readonly string[]> {
  await page.evaluate(AXE);
  const found = await page.evaluate(async (only) => {
    const { axe } = window as unknown as {
      axe: { run: (options: object) => Promise<{ violations: readonly Finding[] }> };
    };
    // Text that still appears has less contrast than it will have.
    const ending = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(ending.map(({ finished }) => finished));
    return (
      await axe.run({
        iframes: false,
        resultTypes: ['violations'],
        ...(only.length > 0 ? { runOnly: only } : { rules: { 'target-size': { enabled: true } } }),
      })
    ).violations;
  }, rules);
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)}\n${failureSummary}`),
  );
}
