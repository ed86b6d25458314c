export { app } from './manifest.ts';

/** Folder of the built pages. */
export const files = new URL('./dist/', import.meta.url);
