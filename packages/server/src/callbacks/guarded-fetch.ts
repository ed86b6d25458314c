/** Fetches what clients point to, where the policy of addresses allows it (CWE-918). */
import { Agent, fetch as fetchBy, type RequestInit } from 'undici';
import type { AddressPolicy } from './address-policy.ts';

export interface GuardedFetch {
  /** Rejects for an address that is not allowed, also when only its name's resolution shows that. */
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

export function guardedFetch(policy: AddressPolicy): GuardedFetch {
  const dispatcher = new Agent({ connect: { lookup: policy.lookup } });
  const guarded = async (input: string | URL | Request, init?: object): Promise<unknown> => {
    const url = input instanceof Request ? input.url : String(input);
    if (policy.objection(url)) throw new Error('The address is not allowed');
    return fetchBy(url, { ...(init as RequestInit | undefined), dispatcher });
  };
  return { fetch: guarded as typeof fetch, close: () => dispatcher.destroy() };
}
