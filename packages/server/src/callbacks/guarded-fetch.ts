/** Fetches what clients point to, where the policy of addresses allows it (CWE-918), and follows nobody to another address. */
import type { Agent, RequestInit } from 'undici';
import type { AddressPolicy } from './address-policy.ts';

export interface GuardedFetch {
  /** Rejects for an address that is not allowed, also when only its name's resolution shows that. */
  readonly fetch: typeof fetch;
  close(): Promise<void>;
}

export function guardedFetch(policy: AddressPolicy): GuardedFetch {
  let dispatcher: Agent | undefined;
  let isClosed = false;
  const guarded = async (input: string | URL | Request, init?: object): Promise<unknown> => {
    const url = input instanceof Request ? input.url : String(input);
    if (policy.objection(url)) throw new Error('The address is not allowed');
    // Most servers never fetch anything.
    const undici = await import('undici');
    if (isClosed) throw new Error('Nothing is fetched any more');
    dispatcher ??= new undici.Agent({ connect: { lookup: policy.lookup } });
    return undici.fetch(url, { ...(init as RequestInit | undefined), redirect: 'error', dispatcher });
  };
  return {
    fetch: guarded as typeof fetch,
    async close() {
      isClosed = true;
      await dispatcher?.destroy();
    },
  };
}
