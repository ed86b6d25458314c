import type { SubscriptionRules } from './versions.ts';

/** What the Hub says to a request: a value, or why it is refused (`status` is an HTTP status). */
export type Answer<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly status: number; readonly reason: string };

/** One answer for what does not exist and what is not the caller's (SES-6). */
export const NO_TOPIC = { ok: false, status: 404, reason: 'There is no such hub.topic' } as const;

export type Refusal = Extract<Answer<never>, { ok: false }>;

export function refuse(status: number, reason: string): Refusal {
  return { ok: false, status, reason };
}

export function noEndpoint({ unknownEndpointStatus }: SubscriptionRules): Refusal {
  return refuse(unknownEndpointStatus, 'There is no such subscription');
}
