/** Reads the text of one setting: a value, or what is wrong with it and what to write instead. */
import { isIP } from 'node:net';
import { parseRedisUrl } from '@lockstep/store-redis/address';
import { parseSyslogUrl } from '../audit/syslog-sink.ts';
import { networks } from '../callbacks/address-policy.ts';
import { OWN_SEGMENTS } from '../http/base-path.ts';

export type Reader<T> = (text: string) => T | { readonly problem: string };

const problem = (text: string): { problem: string } => ({ problem: text });

export function whole(min: number, max: number): Reader<number> {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : problem(`must be a whole number from ${min} to ${max}`);
  };
}

export function oneOf<T extends string>(...values: readonly T[]): Reader<T> {
  return (text) => values.find((value) => value === text) ?? problem(`must be one of ${values.join(', ')}`);
}

export const filled: Reader<string> = (text) =>
  text === '' ? problem('must not be empty: give it a value, or leave it out') : text;

export const onOff: Reader<boolean> = (text) =>
  text === 'on' ? true : text === 'off' ? false : problem('must be on or off');

export const networkList: Reader<readonly string[]> = (text) => {
  const list = text.split(',').flatMap((one) => one.trim() || []);
  try {
    networks(list);
    return list;
  } catch {
    return problem('must be networks such as 10.0.0.0/8, separated by commas; a single address is 10.0.0.1/32');
  }
};

export const hostName: Reader<string> = (text) =>
  isIP(text) > 0 || /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(text)
    ? text
    : problem('must be a host name or an IP address, such as 127.0.0.1, or 0.0.0.0 for all of this machine');

export const webUrl: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol))
    return problem('must be an http: or https: URL, such as https://lockstep.example.org');
  if (url.search || url.hash || url.username || url.password)
    return problem(`must be a URL without ?, # and credentials: ${url.origin}${url.pathname}`);
  const path = url.pathname.replace(/(?<!\/)\/+$/, '');
  if (!/^(\/[A-Za-z0-9._~-]+)*$/.test(path) || OWN_SEGMENTS.includes(path.split('/')[1] ?? ''))
    return problem(`must have no path, or one that is no address of Lockstep's own, such as ${url.origin}/lockstep`);
  return url.origin + path;
};

/** The address of another service, such as this one: http or https, without query, fragment or credentials. */
export const serviceUrl =
  (example: string): Reader<string> =>
  (text) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (!url || !['http:', 'https:'].includes(url.protocol))
      return problem(`must be an http: or https: URL, such as ${example}`);
    if (url.search || url.hash || url.username || url.password)
      return problem('must be a URL without ?, # and credentials');
    return text.replace(/(?<!\/)\/+$/, '');
  };

/** Plain http is for a provider on this machine. */
export const issuerUrl: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const plain = url?.protocol === 'http:' && isLoopback(url.hostname.replace(/^\[|\]$/g, ''));
  if (url?.protocol !== 'https:' && !plain) return problem('must be an https: URL, such as https://login.example.org');
  if (url?.search || url?.hash || url?.username) return problem('must be a URL without query, fragment and user');
  return text;
};

/** A FHIR server's base address, which may have a path. */
export const fhirBase: Reader<string> = (text) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !['http:', 'https:'].includes(url.protocol) || url.search || url.hash || url.username) {
    return problem('must be the http: or https: base address of a FHIR server, such as https://audit.example.org/fhir');
  }
  return text.replace(/(?<!\/)\/+$/, '');
};

export const syslogAddress: Reader<string> = (text) => {
  try {
    parseSyslogUrl(text);
    return text;
  } catch (error) {
    return problem((error as Error).message);
  }
};

export const openidScopes: Reader<string> = (text) =>
  text.split(/\s+/).includes('openid')
    ? text.replace(/\s+/g, ' ')
    : problem('must hold the scope openid, such as "openid profile"');

export const redisAddress: Reader<string> = (text) => {
  if (text === '') return filled(text);
  try {
    parseRedisUrl(text);
    return text;
  } catch (error) {
    return problem((error as Error).message);
  }
};

/** Whether only this machine can reach the address. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
