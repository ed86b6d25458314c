/** Folder of the console's built pages. */
export const files = new URL('../dist/', import.meta.url);
