import { keyText, type ResourceKey } from '@lockstep/fhircast';
import { parseTime } from './dates.ts';
import { FhirRefusal } from './refusal.ts';
import type { ResourceVersion } from './repository.ts';

const DEFAULT_COUNT = 100;
const MAX_COUNT = 500;

interface HistoryRequest {
  /** Versions a page. */
  readonly count: number;
  /** ms since the epoch: only versions of then or later. */
  readonly since: number;
  /** The page begins after this version, as a previous page's `next` link said. */
  readonly before?: number;
  /** What was understood, for the links; without the page. */
  readonly used: URLSearchParams;
}

/** Reads `_count` and `_since`. @throws Refusal 400, also for any other parameter */
export function parseHistory(params: URLSearchParams): HistoryRequest {
  let count = DEFAULT_COUNT;
  let since = Number.NEGATIVE_INFINITY;
  let before: number | undefined;
  const used = new URLSearchParams();
  for (const [name, value] of params) {
    switch (name) {
      case '_format':
      case '_pretty':
        continue;
      case '_count':
        if (!/^\d{1,9}$/.test(value)) throw new FhirRefusal(400, 'value', '_count must be a whole number.');
        count = Math.min(Number(value), MAX_COUNT);
        break;
      case '_since': {
        const range = /T\d\d:\d\d:\d\d(\.\d+)?(Z|[ +-]\d\d:\d\d)$/.test(value) && parseTime(value.replace(' ', '+'));
        if (!range) throw new FhirRefusal(400, 'value', '_since must be an instant.');
        since = range.low;
        break;
      }
      case '_page':
        if (!/^[1-9]\d{0,8}$/.test(value)) throw new FhirRefusal(400, 'value', 'The page is not one of this history.');
        before = Number(value);
        continue;
      default:
        throw new FhirRefusal(400, 'not-supported', `A history has no parameter ${name.slice(0, 64)} here.`);
    }
    used.append(name, value);
  }
  return { count, since, ...(before !== undefined && { before }), used };
}

/**
 * A page of a resource's history.
 * @param url the resource's
 * @param visible all versions that the caller may see, newest first
 */
export function historyBundle(
  url: string,
  key: ResourceKey,
  visible: readonly ResourceVersion[],
  { count, before, used }: HistoryRequest,
) {
  const from = before === undefined ? visible : visible.filter(({ version }) => version < before);
  const page = from.slice(0, count);
  const address = (start: number | undefined) => {
    const params = new URLSearchParams(used);
    if (start !== undefined) params.set('_page', String(start));
    return params.size > 0 ? `${url}/_history?${params}` : `${url}/_history`;
  };
  const next = from.length > count ? page.at(-1)?.version : undefined;
  return {
    resourceType: 'Bundle',
    type: 'history',
    total: visible.length,
    link: [
      { relation: 'self', url: address(before) },
      ...(next === undefined ? [] : [{ relation: 'next', url: address(next) }]),
    ],
    entry: page.map(({ version, at, resource }) => ({
      fullUrl: url,
      ...(resource && { resource }),
      request: { method: resource ? 'PUT' : 'DELETE', url: keyText(key) },
      response: {
        status: resource ? (version === 1 ? '201' : '200') : '204',
        etag: `W/"${version}"`,
        lastModified: at,
      },
    })),
  };
}
