/**
 * Lockstep below a path of a host that it shares, as `https://hospital.example/lockstep` behind a proxy. Inside, nothing knows of
 * it: what a request asks for is shortened on the way in, and what an answer tells browsers is lengthened on the way out.
 */
import { type IncomingMessage, type OutgoingHttpHeader, ServerResponse } from 'node:http';

/**
 * What Lockstep's own addresses begin with. A proxy's path that began so too could not be distinguished from them, where the proxy removes
 * its path before it passes a request on.
 */
export const OWN_SEGMENTS: readonly string[] = [
  '.well-known',
  'api',
  'apps',
  'assets',
  'asyncapi.json',
  'auth',
  'conformance',
  'favicon.ico',
  'favicon.svg',
  'fhir',
  'guests',
  'health',
  'hub',
  'join',
  'launch',
  'metrics',
  'openapi.json',
  'patients',
  'samples',
  'sessions',
  'simulate',
  'theme.js',
  'users',
  'worklist',
];

/** The path of a public URL, without a slash at its end; empty for a host of its own. */
export function basePathOf(publicUrl: string | undefined): string {
  return publicUrl === undefined ? '' : new URL(publicUrl).pathname.replace(/(?<!\/)\/+$/, '');
}

/**
 * The address that a request means, whether or not the proxy in front has removed its path. The documents of RFC 8414 and RFC
 * 9728 are at the root of the host, with the path behind their names.
 */
export function withoutBasePath(url: string, basePath: string): string {
  if (basePath === '') return url;
  const [, document, rest] = /^(\/\.well-known\/[^/?]+)(\/.*)$/.exec(url) ?? [];
  if (document !== undefined && rest !== undefined) return document + without(rest, basePath);
  return without(url, basePath) || '/';
}

function without(url: string, basePath: string): string {
  if (!url.startsWith(basePath)) return url;
  const rest = url.slice(basePath.length);
  if (rest.startsWith('?')) return `/${rest}`;
  return rest === '' || rest.startsWith('/') ? rest : url;
}

type Value = OutgoingHttpHeader;

function each(value: Value, change: (one: string) => string): Value {
  return Array.isArray(value) ? value.map(change) : change(String(value));
}

/** A path of ours as browsers know it. One that is so already stays: headers are read back and set again with more in them. */
function publicPath(path: string, basePath: string): string {
  if (!path.startsWith('/') || path.startsWith('//')) return path;
  if (path === basePath || path.startsWith(`${basePath}/`)) return path;
  return path === '/' ? basePath : basePath + path;
}

/** A header with the paths in it as browsers know them. */
function lengthen(name: string, value: Value, basePath: string): Value {
  switch (name.toLowerCase()) {
    case 'location':
    case 'content-location':
      return each(value, (one) => (one === '/' ? `${basePath}/` : publicPath(one, basePath)));
    case 'link':
      return each(value, (one) =>
        one.replace(/<([^<>]*)>/g, (_all, path: string) => `<${publicPath(path, basePath)}>`),
      );
    case 'set-cookie':
      return each(value, (one) =>
        one.replace(/(; *path=)([^;]*)/i, (_all, name: string, path: string) => name + publicPath(path, basePath)),
      );
    default:
      return value;
  }
}

/**
 * The class of answers whose headers name public paths.
 * @param Answer what it extends
 */
export function responseBelow(basePath: string, Answer = ServerResponse): typeof ServerResponse {
  return class extends Answer {
    override setHeader(name: string, value: number | string | readonly string[]): this {
      return super.setHeader(name, lengthen(name, value as Value, basePath));
    }

    override appendHeader(name: string, value: string | readonly string[]): this {
      return super.appendHeader(name, lengthen(name, value as Value, basePath) as string | string[]);
    }

    override writeHead(status: number, ...rest: readonly unknown[]): this {
      const headers = rest.at(-1);
      const given = rest.map((one) => (one === headers && isFields(one) ? changed(one, basePath) : one));
      return (super.writeHead as (status: number, ...rest: readonly unknown[]) => this).call(this, status, ...given);
    }
  } as typeof ServerResponse;
}

function isFields(value: unknown): value is Readonly<Record<string, Value>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function changed(fields: Readonly<Record<string, Value>>, basePath: string): Record<string, Value> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, lengthen(name, value, basePath)]));
}

/** Shortens what a request asks for. */
export function enter(request: IncomingMessage, basePath: string): void {
  if (basePath !== '') request.url = withoutBasePath(request.url ?? '/', basePath);
}
