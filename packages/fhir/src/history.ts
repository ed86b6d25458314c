import { keyText, type ResourceKey } from '@lockstep/fhircast';
import type { ResourceAccess } from './access.ts';
import { parseTime } from './dates.ts';
import { FhirRefusal } from './refusal.ts';
import type { ResourceRepository, ResourceVersion, StoredResource } from './repository.ts';

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

/** The versions of a page. */
interface HistoryPage {
  readonly versions: readonly ResourceVersion[];
  /** Where the next page begins: before this version; undefined on the last one. */
  readonly next?: number;
  /** How many versions the caller may see in all, where that was counted. */
  readonly total?: number;
}

/**
 * Reads a page's versions, newest first; the first page counts all, as far as a request may read. A page ends early where that is spent.
 * @param current what is stored under the id
 */
export async function historyPage(
  key: ResourceKey,
  current: StoredResource,
  { count, since, before }: HistoryRequest,
  access: ResourceAccess,
  repository: ResourceRepository,
): Promise<HistoryPage> {
  const allowance = repository.allowance('stop');
  const counting = before === undefined;
  const versions: ResourceVersion[] = [];
  let seen = 0;
  const take = async (version: ResourceVersion): Promise<void> => {
    if (Date.parse(version.at) < since) return;
    if (version.resource && !(await access.allows('r', version.resource))) return;
    seen += 1;
    if (versions.length <= count) versions.push(version);
  };
  if (counting || before > current.version) await take(repository.currentVersion(current));
  const from = Math.min(before ?? current.version, current.version);
  for await (const version of repository.versionsBefore(key, from, allowance)) {
    await take(version);
    if (!counting && versions.length > count) break;
  }
  const page = versions.slice(0, count);
  const reached = versions.length > count ? page.at(-1)?.version : undefined;
  const { stoppedAt } = allowance;
  const next = reached ?? (stoppedAt === undefined ? undefined : Number(stoppedAt));
  return {
    versions: page,
    ...(next !== undefined && { next }),
    ...(counting && stoppedAt === undefined && { total: seen }),
  };
}

/**
 * A page of a resource's history.
 * @param url the resource's
 */
export function historyBundle(
  url: string,
  key: ResourceKey,
  { versions, next, total }: HistoryPage,
  { before, used }: HistoryRequest,
) {
  const address = (start: number | undefined) => {
    const params = new URLSearchParams(used);
    if (start !== undefined) params.set('_page', String(start));
    return params.size > 0 ? `${url}/_history?${params}` : `${url}/_history`;
  };
  return {
    resourceType: 'Bundle',
    type: 'history',
    ...(total !== undefined && { total }),
    link: [
      { relation: 'self', url: address(before) },
      ...(next === undefined ? [] : [{ relation: 'next', url: address(next) }]),
    ],
    entry: versions.map(({ version, at, resource }) => ({
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
