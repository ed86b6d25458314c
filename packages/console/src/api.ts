/** The server's answers to the console, and how they are asked for. */

import { BASE_PATH, serverPath } from './base.ts';
import { codeWords, spoken, t } from './language/language.ts';
import type { LaunchKind } from './wire.ts';

export type * from './wire.ts';

export interface SignedInPerson {
  /** `Practitioner/123`. */
  readonly user: string;
  readonly user_name: string;
  readonly name: string;
  readonly administrator: boolean;
  readonly csrf: string;
  readonly session_topic: string;
  readonly workstation?: string;
}

export interface SampleUser {
  readonly id: string;
  readonly name: string;
  readonly administrator: boolean;
}

export interface TokenResponse {
  readonly access_token: string;
  /** s. */
  readonly expires_in: number;
  readonly 'hub.url': string;
  readonly 'hub.topic': string;
  /** FHIR base, without a slash at its end. */
  readonly fhir: string;
}

export const LAUNCH_KINDS = [
  'ehr',
  'standalone',
  'backend',
  'command-line',
  'web',
  'file',
  'derived',
] as const satisfies readonly LaunchKind[];

/** A request that was not granted. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  /** The server's error code, `second_factor_required`. */
  readonly code: string | undefined;
  /** Whether the message is the server's, which speaks English. */
  readonly isServers: boolean;
  constructor(status: number, message: string, code?: string, isServers = false) {
    super(message);
    this.status = status;
    this.code = code;
    this.isServers = isServers;
  }
}

const signedOutListeners = new Set<() => void>();

/** Tells when the server no longer knows who asks. @returns ends the watch */
export function onSignedOut(listener: () => void): () => void {
  signedOutListeners.add(listener);
  return () => signedOutListeners.delete(listener);
}

export function noteSignedOut(): void {
  for (const listener of [...signedOutListeners]) listener();
}

let csrf = '';

/** Changing calls carry the sign-in's CSRF value. */
export function setCsrf(value: string): void {
  csrf = value;
}

function saidBy(body: unknown): string | undefined {
  const { message, error_description: description } = (body ?? {}) as Readonly<Record<string, unknown>>;
  return [message, description].find((one) => typeof one === 'string');
}

function codeOf(body: unknown): string | undefined {
  const code = (body as { readonly error?: unknown } | undefined)?.error;
  return typeof code === 'string' ? code : undefined;
}

/**
 * Asks the server for JSON.
 * @throws ApiError
 */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  return (await request<T>(method, path, body)).value;
}

async function request<T>(method: string, path: string, body?: unknown): Promise<Page<T>> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrf-token'] = csrf;
  let response: Response;
  try {
    response = await fetch(serverPath(path), {
      method,
      headers,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  } catch {
    throw new ApiError(0, t('start.theServerCannotBeReached'));
  }
  const text = await response.text();
  let value: unknown;
  try {
    value = text === '' ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (response.status === 401) noteSignedOut();
  if (!response.ok) throw refused(response.status, saidBy(value), codeOf(value));
  // What is cut short has not said that there is nothing.
  if (value === undefined && text !== '') throw new ApiError(0, t('start.theServerCannotBeReached'));
  const link = /<([^<>]+)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1];
  // The server names the address as browsers know it.
  const next = link?.slice(BASE_PATH.length);
  return { value: value as T, next };
}

/** What `call` reads, and where a list goes on (RFC 8288). */
interface Page<T> {
  readonly value: T;
  readonly next: string | undefined;
}

/** Asks for a list that comes in pages. @throws ApiError */
export async function getAll<T>(path: string): Promise<readonly T[]> {
  const all: T[] = [];
  for (let next: string | undefined = path; next !== undefined; ) {
    const page: Page<readonly T[]> = await request<readonly T[]>('GET', next);
    all.push(...page.value);
    next = page.next;
  }
  return all;
}

/** A page of a list, and the address of the next one. */
export interface ListPage<T> {
  readonly entries: readonly T[];
  readonly next: string | undefined;
}

/** Asks for a page of a list. @throws ApiError */
export async function getPage<T>(path: string): Promise<ListPage<T>> {
  const { value: entries, next } = await request<readonly T[]>('GET', path);
  return { entries, next };
}

export const get = <T>(path: string): Promise<T> => call<T>('GET', path);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body);

/** The error for a refusal of the server's, in its words where it has any. */
export function refused(status: number, said: string | undefined, code?: string): ApiError {
  if (said !== undefined) return new ApiError(status, said, code, true);
  return new ApiError(status, t('start.theServerAnswered', { status }), code);
}

/** What went wrong, for people. */
export interface Told {
  readonly text: string;
  /** What the server said, where the person reads another language than it speaks. */
  readonly details?: string;
}

/** What a refusal of the server's means, in the person's language; undefined where its own words are in it. */
function meaningOf(error: unknown): string | undefined {
  if (!(error instanceof ApiError && error.isServers) || spoken.get().language === 'en') return undefined;
  const found = [error.code ?? '', String(error.status)].find((code) => codeWords('start.refused', code) !== code);
  return codeWords('start.refused', found ?? 'other');
}

/** Words for an error of any kind, in the person's language. */
export function words(error: unknown): string {
  return meaningOf(error) ?? (error instanceof Error ? error.message : String(error));
}

/**
 * An error of any kind for people, with what the server said.
 * @param put makes a sentence of its words
 */
export function told(error: unknown, put: (words: string) => string = (said) => said): Told {
  const isForeign = meaningOf(error) !== undefined && error instanceof ApiError;
  return { text: put(words(error)), ...(isForeign && { details: error.message }) };
}
