import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import { describe, it } from 'node:test';
import { AddressPolicy, type Lookup, networks } from './address-policy.ts';

/** Names and what they resolve to; each look-up takes the next list, the last one stays. */
function dns(names: Readonly<Record<string, readonly (readonly string[])[]>>): Lookup & { readonly asked: string[] } {
  const turns = new Map<string, number>();
  const asked: string[] = [];
  const lookup = (
    host: string,
    _: unknown,
    done: (error: NodeJS.ErrnoException | null, found: LookupAddress[]) => void,
  ): void => {
    asked.push(host);
    const lists = names[host];
    const turn = turns.get(host) ?? 0;
    turns.set(host, turn + 1);
    const addresses = lists?.[Math.min(turn, lists.length - 1)];
    const error = Object.assign(new Error('not found'), { code: 'ENOTFOUND' });
    const found = addresses?.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
    done(found ? null : error, found ?? []);
  };
  return Object.assign(lookup as Lookup, { asked });
}

const strict = (lookup?: Lookup, allowed: readonly string[] = []): AddressPolicy =>
  new AddressPolicy({ open: false, allowed, ...(lookup && { lookup }) });

const NOT_ALLOWED = 'hub.callback points to an address that is not allowed';

describe('WEB-4 addresses that a callback may not have', () => {
  const INTERNAL = {
    loopback: ['127.0.0.1', '127.255.255.254', '[::1]'],
    'this host': ['0.0.0.0', '0.1.2.3', '[::]'],
    private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1', '100.64.0.1', '[fc00::1]', '[fd12:3456::1]'],
    'link-local': ['169.254.0.1', '[fe80::1]', '[febf::1]', '[fec0::1]'],
    'the metadata service': ['169.254.169.254', '[fd00:ec2::254]'],
    'IPv4 in decimal, hexadecimal, octal and short form': [
      '2130706433',
      '0x7f000001',
      '0x7f.0.0.1',
      '017700000001',
      '0177.0.0.1',
      '127.1',
      '10.1',
      '2852039166',
      '0xa9fea9fe',
      '0251.0376.0251.0376',
    ],
    'IPv4 inside IPv6': [
      '[::ffff:127.0.0.1]',
      '[::ffff:7f00:1]',
      '[::ffff:169.254.169.254]',
      '[::ffff:a9fe:a9fe]',
      '[::ffff:0:127.0.0.1]',
      '[::127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[64:ff9b::169.254.169.254]',
      '[64:ff9b:1::1]',
      '[2002:7f00:1::]',
      '[2001:0:4136:e378::1]',
    ],
    'multicast and broadcast': ['224.0.0.1', '255.255.255.255', '240.0.0.1', '[ff02::1]'],
    documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '[2001:db8::1]', '[3fff::1]'],
    benchmarks: ['198.18.0.1', '198.19.255.255'],
    'full width digits': ['１２７.０.０.１'],
  };
  for (const [what, hosts] of Object.entries(INTERNAL)) {
    it(what, async () => {
      for (const host of hosts) {
        assert.equal(await strict().refusal(`https://${host}/callback`), NOT_ALLOWED, host);
        assert.equal(await strict().refusal(`https://${host}:8443/callback`), NOT_ALLOWED, host);
      }
    });
  }

  it('public ones are none of these', async () => {
    for (const host of [
      '8.8.8.8',
      '172.15.255.255',
      '172.32.0.1',
      '100.128.0.1',
      '[2606:4700::1111]',
      '[2001:4860::8888]',
    ]) {
      assert.equal(await strict().refusal(`https://${host}/callback`), undefined, host);
    }
    assert.equal(strict().allows('::ffff:8.8.8.8'), true);
  });

  it('names are judged by all that they resolve to', async () => {
    const lookup = dns({
      'public.example': [['93.184.216.34', '2606:2800:220:1::1']],
      'private.example': [['10.0.0.1']],
      'mixed.example': [['93.184.216.34', '10.0.0.1']],
      'mixed6.example': [['93.184.216.34', '::ffff:127.0.0.1']],
      localhost: [['127.0.0.1', '::1']],
      'localhost.': [['127.0.0.1']],
    });
    const of = (host: string): Promise<string | undefined> => strict(lookup).refusal(`https://${host}/callback`);
    assert.equal(await of('public.example'), undefined);
    for (const host of ['private.example', 'mixed.example', 'mixed6.example', 'localhost', 'localhost.']) {
      assert.equal(await of(host), NOT_ALLOWED, host);
    }
    assert.equal(await of('nowhere.example'), 'hub.callback names a host that cannot be found');
  });
});

describe('WEB-4 DNS rebinding', () => {
  it('a name that turns private between the check and the connection is not connected to', async () => {
    const policy = strict(dns({ 'turning.example': [['93.184.216.34'], ['169.254.169.254']] }));
    assert.equal(await policy.refusal('https://turning.example/'), undefined);
    const connected = await new Promise<string>((resolve) => {
      policy.lookup('turning.example', {}, (error, address) => resolve(error ? `${error.code}` : String(address)));
    });
    assert.equal(connected, 'EACCES');
  });

  it('one forbidden address among several forbids them all', async () => {
    const policy = strict(dns({ 'mixed.example': [['93.184.216.34', '192.168.0.1']] }));
    for (const all of [true, false]) {
      const error = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
        policy.lookup('mixed.example', { all }, (one) => resolve(one));
      });
      assert.equal(error?.code, 'EACCES');
    }
  });

  it('allowed names resolve as they do, in both forms', async () => {
    const policy = strict(dns({ 'public.example': [['93.184.216.34', '93.184.216.35']] }));
    const one = await new Promise((resolve) => {
      policy.lookup('public.example', {}, (_, address, family) => resolve([address, family]));
    });
    assert.deepEqual(one, ['93.184.216.34', 4]);
    const all = await new Promise((resolve) => {
      policy.lookup('public.example', { all: true }, (_, addresses) => resolve(addresses));
    });
    assert.deepEqual(all, [
      { address: '93.184.216.34', family: 4 },
      { address: '93.184.216.35', family: 4 },
    ]);
  });
});

describe('WEB-4 URLs that a callback may not have', () => {
  it('names what is wrong', async () => {
    const of = (url: string): Promise<string | undefined> => strict().refusal(url);
    for (const url of ['', 'callback', '/callback', 'https://', 'https://[::1', 'https://a b/']) {
      assert.equal(await of(url), 'hub.callback must be an absolute URL', url);
    }
    for (const url of [
      'http://8.8.8.8/',
      'ftp://8.8.8.8/',
      'file:///etc/passwd',
      'javascript:alert(1)',
      'gopher://x/',
    ]) {
      assert.equal(await of(url), 'hub.callback must be an https URL', url);
    }
    for (const url of ['https://me:secret@8.8.8.8/', 'https://me@8.8.8.8/']) {
      assert.equal(await of(url), 'hub.callback must not hold credentials', url);
    }
    for (const port of [1, 22, 25, 80, 1023]) {
      assert.equal(await of(`https://8.8.8.8:${port}/`), 'hub.callback names a port that is not allowed', String(port));
    }
    for (const port of [443, 1024, 8443, 65_535]) {
      assert.equal(await of(`https://8.8.8.8:${port}/`), undefined, String(port));
    }
  });
});

describe('WEB-4 exceptions', () => {
  it('networks that the operator names are allowed, also inside IPv6', async () => {
    const policy = strict(dns({ 'ris.hospital': [['10.1.2.3']] }), ['10.1.0.0/16', 'fd12::/16']);
    for (const host of ['10.1.2.3', 'ris.hospital', '[fd12::1]', '[::ffff:10.1.2.3]']) {
      assert.equal(await policy.refusal(`https://${host}/`), undefined, host);
    }
    for (const host of ['10.2.0.1', '[fd13::1]', '127.0.0.1']) {
      assert.equal(await policy.refusal(`https://${host}/`), NOT_ALLOWED, host);
    }
  });

  it('development allows http, every port and every address, and still no credentials', async () => {
    const policy = new AddressPolicy({ open: true, allowed: [] });
    assert.equal(await policy.refusal('http://127.0.0.1:80/'), undefined);
    assert.equal(await policy.refusal('http://me:secret@127.0.0.1/'), 'hub.callback must not hold credentials');
    assert.equal(await policy.refusal('ftp://127.0.0.1/'), 'hub.callback must be an https URL');
  });

  it('what is no network is named', () => {
    for (const text of ['10.0.0.0', '10.0.0.0/x', 'hospital/8', '/8']) {
      assert.throws(() => networks([text]), new RegExp(`${text} is no network`));
    }
  });
});
