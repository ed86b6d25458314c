/** What a door of the server is: an address, and what is decided about a request there before it is worked on. */

/** Who may come in. Everything but `handler` and `none` is decided before a byte of the body is read. */
export type Authentication =
  /** Everybody: what is published, and pages. */
  | 'none'
  /** An access token in the header. */
  | 'bearer'
  /** The same, or in a form of at most `SMALL_BODY` bytes (RFC 6750 section 2.2). */
  | 'bearer or form'
  /** The sign-in of a browser, with its CSRF value where something changes. */
  | 'browser'
  /** The token of the data folder. */
  | 'folder'
  /** What the handler finds in a body of at most `SMALL_BODY` bytes: a client's secret or key, a password, a ticket. */
  | 'handler';

/** Largest body, in bytes, of a client that has not been authenticated. */
export const SMALL_BODY = 64 * 1024;

/** What is written to the audit trail about a request. */
export type Act =
  | 'session-create'
  | 'session-list'
  | 'session-end'
  | 'session-invite'
  | 'session-uninvite'
  | 'session-join'
  | 'session-leave'
  | 'subscribe'
  | 'unsubscribe'
  | 'publish'
  | 'context-read'
  | 'fhir'
  | 'token'
  | 'token-introspect'
  | 'token-revoke'
  | 'client-registration'
  | 'consent'
  | 'sign-in'
  | 'sign-out'
  | 'password-change'
  | 'launch'
  | 'ticket-make'
  | 'ticket-redeem'
  | 'administration';

export interface Door {
  readonly authentication: Authentication;
  /** Whether pages of every origin may read the answers. */
  readonly shared: boolean;
  /** What is recorded; or why nothing is. */
  readonly audit:
    | Act
    | { readonly none: string /** Whether the handler records acts of its own. */; readonly acts?: boolean };
  /** Whether requests are counted here, before anything else; `handler` where what is behind takes from the same limiter. */
  readonly limit: 'door' | 'handler';
}

/** Whether what is done at a door needs a record: nothing is, while the audit cannot be written and its setting says `refuse`. */
export function needsRecord({ audit }: Pick<Door, 'audit'>): boolean {
  return typeof audit === 'string' || audit.acts === true;
}

/** A row of the table of doors. */
export interface DoorRow extends Door {
  /** Those of the route, with spaces between them; `*` for all. */
  readonly methods: string;
  /** As the route is registered: a row is about one route, so that nothing new is let in by a row for something else. */
  readonly path: string;
}

/** The first row that fits a route; a slash at its end makes no difference. */
export function findDoor(rows: readonly DoorRow[], method: string, route: string): DoorRow | undefined {
  const path = route.replace(/(.)\/$/, '$1');
  return rows.find((row) => row.path === path && (row.methods === '*' || row.methods.split(' ').includes(method)));
}

/**
 * Finds doors by the address of a request, before it has a route.
 * @returns the first row that fits; undefined where none does
 */
export function doorFinder(rows: readonly DoorRow[]): (method: string, path: string) => DoorRow | undefined {
  const patterns = rows.map((row) => ({ row, methods: new Set(row.methods.split(' ')), path: patternOf(row.path) }));
  return (method, path) => {
    const asked = method === 'HEAD' ? 'GET' : method;
    return patterns.find(({ methods, path: pattern }) => {
      return (methods.has('*') || methods.has(asked)) && pattern.test(path);
    })?.row;
  };
}

/** The addresses of a route: a parameter is one segment, a star is everything that follows. */
function patternOf(path: string): RegExp {
  const pattern = path
    .replace(/[.$]/g, '\\$&')
    .replace(/:[A-Za-z]+/g, '[^/]+')
    .replace('*', '.*');
  return new RegExp(`^${pattern}/?$`);
}
