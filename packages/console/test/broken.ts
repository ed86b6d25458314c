/** Whether what others wrote keeps to its place in a page. */
import type { Frame, Page } from 'playwright-core';

/** Where a text does not keep to its place, is cut without a way to see the whole, or was taken for more than text. */
export function broken(where: Page | Frame): Promise<readonly string[]> {
  return where.evaluate(async () => {
    // What moves to its place is not there yet: of transitions and other animations that end, the end is waited for.
    const moving = document.getAnimations().filter(({ effect }) => effect?.getComputedTiming().endTime !== Infinity);
    await Promise.allSettled(moving.map(({ finished }) => finished));
    const found = new Set<string>();
    if ('broken' in window) found.add('a script ran');
    if (document.querySelectorAll('img[src="x"], script:not([src])').length > 0)
      found.add('markup was taken for markup');
    if (document.documentElement.scrollWidth > innerWidth) found.add('the page is wider than the window');
    for (const element of document.querySelectorAll<HTMLElement>('body *')) {
      if (
        !element.checkVisibility() ||
        element.matches('pre, pre *, details > [tabindex] *, input, textarea, select, option, svg *, iframe')
      )
        continue;
      const { width, height, right } = element.getBoundingClientRect();
      const says = `${element.tagName} ${Math.round(width)} × ${Math.round(height)} "${element.textContent?.slice(0, 30)}"`;
      const hasText = [...element.childNodes].some(
        (node) => node.nodeType === 3 && (node.nodeValue ?? '').trim().length > 60,
      );
      if (hasText && height > 300) found.add(`high: ${says}`);
      if (hasText && width > 30 && right > innerWidth + 1) found.add(`outside: ${says}`);
      const { overflow, overflowX } = getComputedStyle(element);
      const isCut = element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 3;
      const isClipped = overflow !== 'visible' && !/auto|scroll/.test(overflowX) && width > 2;
      if (isCut && isClipped && element.textContent?.trim() && !element.closest('[title]')) found.add(`cut: ${says}`);
    }
    return [...found];
  });
}
