/** What the console asks the Hub for besides following and publishing, with the token of the person signed in. */
import { ApiError, refused } from './api.ts';
import type { FreshToken } from './fhir.ts';
import { t } from './language/language.ts';

export class HubRequests {
  readonly url: string;
  readonly #token: FreshToken;

  /** @param url `hub.url`, without a slash at its end */
  constructor(url: string, token: FreshToken) {
    this.url = url;
    this.#token = token;
  }

  /**
   * @param path below `hub.url`
   * @returns the answer's JSON; undefined where it has none
   * @throws ApiError with the Hub's reason
   */
  async send(method: 'GET' | 'POST' | 'DELETE', path: string, body?: unknown): Promise<unknown> {
    return this.#send(method, path, body, false);
  }

  async #send(method: string, path: string, body: unknown, renew: boolean): Promise<unknown> {
    const headers = {
      authorization: `Bearer ${await this.#token(renew)}`,
      ...(body !== undefined && { 'content-type': 'application/json' }),
    };
    let response: Response;
    try {
      response = await fetch(`${this.url}${path}`, {
        method,
        headers,
        ...(body !== undefined && { body: JSON.stringify(body) }),
      });
    } catch {
      throw new ApiError(0, t('shell.theHubCannotBeReached'));
    }
    if (response.status === 401 && !renew) return this.#send(method, path, body, true);
    const text = await response.text();
    if (!response.ok) throw refused(response.status, text.trim() || undefined);
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  }
}
