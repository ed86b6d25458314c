/** The languages of pages, for the samples too: each build brings the catalogs of its own folder (`build/messages.ts`). */
export { codeWords, compare, date, list, type MessageValues, number, spoken, translate } from './language.ts';
export { measured } from './measured.ts';
export { type Reason, reasonWords, recordReason } from './reasons.ts';
