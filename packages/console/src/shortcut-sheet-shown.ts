import { Watchable } from './store.ts';

/** Whether the sheet of keyboard shortcuts is shown. The person's menu shows it too, and is there before the shortcuts are. */
export const sheet = new Watchable(false);
