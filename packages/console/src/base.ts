/** Where the console's server is: it may share its host, below a path that a proxy gives it. The page says which. */

/** What the server's paths begin with, such as `/lockstep`; empty where it has the whole host. */
export const BASE_PATH = globalThis.document?.documentElement.dataset.base ?? '';

/** A path of the server's, such as `/api/console/me`, as the browser asks for it. */
export function serverPath(path: string): string {
  return BASE_PATH + path;
}

/** The public URL of the server, without a slash at its end. */
export function serverUrl(): string {
  return location.origin + BASE_PATH;
}
