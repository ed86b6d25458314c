/** The addresses that people come to with a browser. */
const PAGES =
  /^\/auth\/(authorize|interaction|manage|outside|second-factor|sign-in|sign-out|signed-out|language)(\/|\?|$)/;

/** Whether errors at an address are for people to read. @param path with or without a query */
export function isPageAddress(path: string): boolean {
  return PAGES.test(path);
}
