/** What can be done by a key, wherever nothing is typed. One can turn them off (WCAG 2.1.4). */
import { browserStorage } from './browser-storage.ts';
import { openClosedAgain } from './ehr/closed-patient.tsx';
import { shownChart } from './ehr/desk.ts';
import type { EhrSession } from './ehr/session.ts';
import type { MessageKey } from './language/language.ts';
import { navigate } from './router.tsx';
import { sheet } from './shortcut-sheet-shown.ts';
import { Watchable } from './store.ts';

export interface Shortcut {
  /** Keys one after the other, as `KeyboardEvent.key` names them. */
  readonly keys: readonly string[];
  readonly what: MessageKey;
  run(session: EhrSession): void;
}

const goTo = (key: string, path: string, what: MessageKey): Shortcut => ({
  keys: ['g', key],
  what,
  run: () => navigate(path),
});

/** @returns whether the field is there */
function focusSearch(): boolean {
  const field = document.querySelector<HTMLInputElement>('[data-shortcut="search"]');
  field?.focus();
  return field !== null;
}

function searchPatients(): void {
  navigate('/');
  // Where the page is drawn already, what is typed at once goes into the field.
  if (!focusSearch()) requestAnimationFrame(focusSearch);
}

/** Opens the patient of another tab. */
function changeTab({ book, publishing }: EhrSession, step: number): void {
  const desk = book.desk.get();
  const at = desk.tabs.findIndex(({ patient }) => patient.id === shownChart(desk)?.patient.id);
  const next = desk.tabs[(at + step + desk.tabs.length) % desk.tabs.length];
  if (next && desk.tabs.length > 1) void publishing.openPatient(next.patient);
}

export const SHORTCUTS: readonly Shortcut[] = [
  { keys: ['/'], what: 'shortcuts.searchPatients', run: searchPatients },
  { keys: ['['], what: 'shortcuts.previousTab', run: (session) => changeTab(session, -1) },
  { keys: [']'], what: 'shortcuts.nextTab', run: (session) => changeTab(session, 1) },
  { keys: ['z'], what: 'shortcuts.openClosedAgain', run: (session) => void openClosedAgain(session) },
  goTo('e', '/', 'shortcuts.goToEhr'),
  goTo('w', '/worklist', 'shortcuts.goToWorklist'),
  goTo('a', '/apps', 'shortcuts.goToApps'),
  goTo('l', '/launch', 'shortcuts.goToLaunch'),
  { keys: ['?'], what: 'shortcuts.showThisSheet', run: () => sheet.set(true) },
];

const SETTING = 'lockstep-shortcuts';

/** Whether keys do anything. */
export const shortcutsOn = new Watchable(browserStorage.getItem(SETTING) !== 'off');

export function turnShortcuts(on: boolean): void {
  browserStorage.setItem(SETTING, on ? 'on' : 'off');
  shortcutsOn.set(on);
}

/** Two keys of one shortcut follow each other within this time, ms. */
const PAUSE = 1500;

/** Whether something is typed there, or keys have a meaning of their own. */
function isTyping(target: EventTarget | null): boolean {
  return (
    target instanceof Element &&
    target.closest('input, textarea, select, [contenteditable], [role="dialog"], [role="menu"], [role="listbox"]') !==
      null
  );
}

/** @returns ends it */
export function listenForShortcuts(session: EhrSession): () => void {
  let begun: { readonly key: string; readonly at: number } | undefined;
  function onKey(event: KeyboardEvent): void {
    if (!shortcutsOn.get() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isTyping(event.target) || event.isComposing || event.repeat) return;
    const first = begun && event.timeStamp - begun.at < PAUSE ? begun.key : undefined;
    begun = undefined;
    const typed = first === undefined ? [event.key] : [first, event.key];
    const found = SHORTCUTS.find(
      ({ keys }) => keys.length === typed.length && keys.every((key, i) => key === typed[i]),
    );
    if (found) {
      event.preventDefault();
      found.run(session);
    } else if (SHORTCUTS.some(({ keys }) => keys.length > 1 && keys[0] === event.key)) {
      begun = { key: event.key, at: event.timeStamp };
    }
  }
  document.addEventListener('keydown', onKey);
  return () => document.removeEventListener('keydown', onKey);
}
