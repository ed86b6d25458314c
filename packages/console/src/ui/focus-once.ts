/** As an element's `ref`: gives it the focus when it is first shown. A browser obeys `autofocus` for one element of a page only. */
export function focusOnce(element: HTMLElement | null): void {
  element?.focus();
}
