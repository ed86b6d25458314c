/** The server's answers to the console, and how they are asked for. */
import type { ContextElement, EventMessage, Resource } from '@lockstep/fhircast';

export interface Person {
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

export const LAUNCH_KINDS = ['ehr', 'standalone', 'backend', 'command-line', 'web', 'file', 'derived'] as const;
export type LaunchKind = (typeof LAUNCH_KINDS)[number];

export interface App {
  readonly id: string;
  readonly name: string;
  readonly description?: string;
  readonly logo?: string;
  readonly launchUrl?: string;
  readonly launchKinds: readonly LaunchKind[];
  readonly status: 'active' | 'waiting' | 'suspended';
  readonly lastLaunchAt?: number;
}

export interface LiveToken {
  readonly tokenId: string;
  readonly scope: string;
  readonly issuedAt: number;
  readonly expiresAt: number;
  readonly user?: string;
  readonly userName?: string;
}

export interface ScopeWords {
  readonly scope: string;
  readonly words: string;
}

/** RFC 7591 metadata with Lockstep's own fields. */
export interface AppMetadata {
  readonly client_name?: string;
  readonly description?: string;
  readonly client_uri?: string;
  readonly logo_uri?: string;
  readonly launch_url?: string;
  readonly redirect_uris?: readonly string[];
  readonly grant_types?: readonly string[];
  readonly token_endpoint_auth_method?: string;
  readonly jwks?: unknown;
  readonly jwks_uri?: string;
  readonly scope?: string;
  readonly launch_kinds?: readonly LaunchKind[];
  readonly origins?: readonly string[];
  readonly session_users?: readonly string[];
  readonly session_workstations?: readonly string[];
  readonly acknowledgements?: string;
  readonly legacy?: boolean;
  readonly stu2?: boolean;
  readonly trusted?: boolean;
  readonly [field: string]: unknown;
}

export interface AppDetails extends App {
  readonly metadata: AppMetadata;
  readonly trusted: boolean;
  readonly hasSecret: boolean;
  readonly registeredAt: number;
  readonly scopes: readonly { readonly title: string; readonly entries: readonly ScopeWords[] }[];
  readonly tokens: readonly LiveToken[];
  /** Only in the answer to a registration. */
  readonly secret?: string;
}

export interface SubscriptionView {
  readonly id: string;
  readonly name: string;
  readonly clientId: string;
  readonly client?: string;
  readonly channel: string;
  readonly connected: boolean;
  readonly events: readonly string[];
  /** ms since the epoch. */
  readonly expiresAt: number;
}

export interface SessionView {
  readonly topic: string;
  readonly user: string;
  readonly userName?: string;
  readonly workstation?: string;
  readonly label?: string;
  readonly startedAt: number;
  readonly changedAt: number;
  readonly current?: string;
  readonly subscriptions: readonly SubscriptionView[];
}

export interface AnchorView {
  readonly anchor: string;
  readonly versionId: string;
  readonly openedBy: { readonly number: number; readonly id: string; readonly timestamp: string };
  readonly context: readonly ContextElement[];
  readonly content: readonly Resource[];
}

export interface SessionDetail extends SessionView {
  readonly anchors: readonly AnchorView[];
}

export interface LogLine {
  readonly number: number;
  readonly at: number;
  readonly message: EventMessage;
}

/** What the Hub did, as the server tells it. */
export interface TimelineEntry {
  readonly seq: number;
  /** ms since the epoch. */
  readonly at: number;
  readonly kind:
    | 'session-started'
    | 'session-ended'
    | 'published'
    | 'refused'
    | 'subscribed'
    | 'renewed'
    | 'connected'
    | 'delivered'
    | 'answered'
    | 'unanswered'
    | 'dropped'
    | 'denied';
  readonly number?: number;
  readonly eventId?: string;
  readonly event?: string;
  readonly clientId?: string;
  readonly status?: number;
  readonly reason?: string;
  readonly subscription?: string;
  readonly subscriber?: string;
  readonly events?: readonly string[];
  readonly expiresAt?: number;
  readonly ms?: number;
  readonly code?: number;
}

/** A request that was not granted. The message is for people. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  /** HTTP status; 0 when the server could not be reached. */
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

let csrf = '';

/** Changing calls carry the sign-in's CSRF value. */
export function setCsrf(value: string): void {
  csrf = value;
}

function messageOf(body: unknown, status: number): string {
  if (typeof body === 'object' && body !== null) {
    const { message, error_description: description } = body as Record<string, unknown>;
    if (typeof message === 'string') return message;
    if (typeof description === 'string') return description;
  }
  return `The server answered ${status}.`;
}

/**
 * Asks the server for JSON.
 * @throws ApiError
 */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const headers: Record<string, string> = { accept: 'application/json' };
  if (body !== undefined) headers['content-type'] = 'application/json';
  if (method !== 'GET') headers['x-csrf-token'] = csrf;
  let response: Response;
  try {
    response = await fetch(path, { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) });
  } catch {
    throw new ApiError(0, 'The server cannot be reached.');
  }
  const text = await response.text();
  let value: unknown;
  try {
    value = text === '' ? undefined : JSON.parse(text);
  } catch {
    value = undefined;
  }
  if (!response.ok) throw new ApiError(response.status, messageOf(value, response.status));
  return value as T;
}

export const get = <T>(path: string): Promise<T> => call<T>('GET', path);
export const post = <T>(path: string, body: unknown = {}): Promise<T> => call<T>('POST', path, body);

/** Words for an error of any kind. */
export function words(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
