/** Where webhook callbacks may point (WEB-4). */
import { type LookupAddress, type LookupAllOptions, lookup as systemLookup } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';

/** Addresses that are not the public Internet: private, loopback, link-local, multicast, documentation, translation. */
const INTERNAL_V4 = `0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24
192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4`;
const INTERNAL_V6 =
  '::/96 ::ffff:0:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8';

/** Names that only a local network knows (RFC 6761, 6762, 8375, 9476): `printer`, `keys.local`. */
const INTERNAL_NAME = /^[^.]+\.?$|\.(localhost|local|internal|lan|intranet|home\.arpa|corp|home|localdomain)\.?$/i;

/** Below this, ports belong to services that a callback is not. */
const FIRST_USER_PORT = 1024;

export type Lookup = (
  host: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void;

/** @throws Error for what is no network in CIDR notation */
export function networks(list: readonly string[]): BlockList {
  const found = new BlockList();
  for (const network of list) {
    const [address = '', bits = ''] = network.split('/');
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    if (!isIP(address) || !/^\d+$/.test(bits)) throw new Error(`${network} is no network such as 10.0.0.0/8`);
    found.addSubnet(address, Number(bits), family);
  }
  return found;
}

const INTERNAL = networks(`${INTERNAL_V4} ${INTERNAL_V6}`.split(/\s+/));

export interface AddressPolicyOptions {
  /** Development: http and every address are allowed. */
  readonly open: boolean;
  /** Internal networks in CIDR notation that callbacks may be in all the same. */
  readonly allowed: readonly string[];
  readonly lookup?: Lookup;
}

export class AddressPolicy {
  readonly #open: boolean;
  readonly #allowed: BlockList;
  readonly #lookup: Lookup;

  constructor({ open, allowed, lookup = systemLookup as Lookup }: AddressPolicyOptions) {
    this.#open = open;
    this.#allowed = networks(allowed);
    this.#lookup = lookup;
  }

  /** Whether connections to this IP address may be opened. IPv4 inside IPv6 counts as what it stands for. */
  allows(address: string): boolean {
    if (this.#open) return true;
    const family = isIPv6(address) ? 'ipv6' : 'ipv4';
    return this.#allowed.check(address, family) || !INTERNAL.check(address, family);
  }

  /** Whether a host may be called, as far as its name or address says; what a name resolves to is seen when it is called. */
  allowsHost(host: string): boolean {
    if (this.#open) return true;
    if (isIP(host)) return this.allows(host);
    return !INTERNAL_NAME.test(host) || this.#allowed.rules.length > 0;
  }

  /** What the URL alone says against it; its name may still resolve to a forbidden address. */
  objection(url: string): string | undefined {
    if (!URL.canParse(url)) return 'hub.callback must be an absolute URL';
    const { protocol, hostname, port, username, password } = new URL(url);
    if (protocol !== 'https:' && !(this.#open && protocol === 'http:')) return 'hub.callback must be an https URL';
    if (username || password) return 'hub.callback must not hold credentials';
    if (!this.#open && port !== '' && Number(port) < FIRST_USER_PORT)
      return 'hub.callback names a port that is not allowed';
    const address = hostname.replace(/^\[|\]$/g, '');
    if (isIP(address) && !this.allows(address)) return 'hub.callback points to an address that is not allowed';
    return undefined;
  }

  /** Why the URL may not be called, its name resolved. */
  async refusal(url: string): Promise<string | undefined> {
    const objection = this.objection(url);
    if (objection) return objection;
    const host = new URL(url).hostname.replace(/^\[|\]$/g, '');
    if (this.#open || isIP(host)) return undefined;
    const addresses = await new Promise<readonly LookupAddress[]>((resolve) => {
      this.#lookup(host, { all: true }, (error, found) => resolve(error ? [] : found));
    });
    if (addresses.length === 0) return 'hub.callback names a host that cannot be found';
    return addresses.every(({ address }) => this.allows(address))
      ? undefined
      : 'hub.callback points to an address that is not allowed';
  }

  /** A name look-up for opening connections: a name with one forbidden address has none (DNS rebinding). */
  readonly lookup: LookupFunction = (host, options, done) => {
    this.#lookup(host, { ...options, all: true } as LookupAllOptions, (error, addresses) => {
      const [first] = addresses ?? [];
      if (error || !first) return done(error ?? notAllowed(), '');
      if (!addresses.every(({ address }) => this.allows(address))) return done(notAllowed(), '');
      return options.all ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}

function notAllowed(): NodeJS.ErrnoException {
  return Object.assign(new Error('The address is not allowed'), { code: 'EACCES' });
}
