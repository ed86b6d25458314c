/** Where Redis is: one server, what Sentinels name as the primary, or a cluster. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster';
  /** One server, the Sentinels, or some of the cluster's nodes. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly tls: boolean;
  readonly username?: string;
  readonly password?: string;
  /** Number of the database; a cluster has only 0. */
  readonly db: number;
  /** What the Sentinels call the primary. */
  readonly primary?: string;
}

const FORM = /^redis(s)?(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?]+)(?:\/([^?]*))?$/;

/**
 * Reads `redis://[user:password@]host[:port][/db]`, `redis+sentinel://…host,host/primary[/db]` or
 * `redis+cluster://…host,host`; with `rediss` the connections are encrypted. Names and passwords are percent-encoded.
 * @throws RangeError naming what is wrong, never the password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const match = FORM.exec(url);
  if (!match)
    throw new RangeError(
      'must be a redis://, redis+sentinel:// or redis+cluster:// URL, such as redis://redis.example.org:6379',
    );
  const [, encrypted, mode, credentials, hostList = '', path = ''] = match;
  const kind = mode === 'sentinel' || mode === 'cluster' ? mode : 'single';
  const hosts = hostList.split(',').map((text) => parseHost(text, kind === 'sentinel' ? 26_379 : 6379));
  if (kind === 'single' && hosts.length > 1)
    throw new RangeError('names several hosts: redis+sentinel or redis+cluster');
  const segments = path === '' ? [] : path.split('/');
  const primary = kind === 'sentinel' ? decode(segments.shift() ?? '') : undefined;
  if (primary === '') throw new RangeError('must name the primary: redis+sentinel://host,host/primary');
  const [db = '0', ...rest] = segments;
  if (!/^\d{1,4}$/.test(db) || rest.length > 0)
    throw new RangeError('must end with the number of a database, if anything');
  if (kind === 'cluster' && db !== '0') throw new RangeError('must not name a database: a cluster has one');
  const colon = credentials?.indexOf(':') ?? -1;
  const username = credentials && decode(colon < 0 ? credentials : credentials.slice(0, colon));
  const password = credentials && colon >= 0 ? decode(credentials.slice(colon + 1)) : undefined;
  return {
    kind,
    hosts,
    tls: encrypted !== undefined,
    db: Number(db),
    ...(username && { username }),
    ...(password && { password }),
    ...(primary && { primary }),
  };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new RangeError('holds a percent sign that encodes nothing');
  }
}

function parseHost(text: string, defaultPort: number): { host: string; port: number } {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::(\d{1,5}))?$/.exec(text);
  const port = Number(match?.[3] ?? defaultPort);
  if (!match || port < 1 || port > 65_535) throw new RangeError('names a host or port that cannot be');
  return { host: match[1] ?? match[2] ?? '', port };
}
