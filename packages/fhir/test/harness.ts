import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bearerToken, Scopes } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import { openSqlite } from '@lockstep/store-sqlite';
import fastify from 'fastify';
import {
  type AccessRecord,
  createFhir,
  type FhirService,
  type Json,
  type JsonObject,
  sampleImage,
  type TokenInfo,
} from '../src/index.ts';

/** The public address; tests reach it on another one, as through a proxy. */
export const BASE = 'https://ehr.example/fhir';
export const NOW = Date.parse('2026-06-01T08:00:00.000Z');

/** What a test's token says; the rest is filled in. */
export interface Grant {
  readonly scope: string;
  readonly user?: string;
  readonly patient?: string;
  readonly expiresAt?: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  readonly body: any;
  readonly text: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

export interface Endpoint {
  readonly service: FhirService;
  readonly audits: AccessRecord[];
  readonly clock: { time: number };
  /** Makes a bearer token. */
  token(grant: Grant): string;
  /** Takes a token back. */
  revoke(bearer: string): void;
  get(path: string, bearer?: string, headers?: Record<string, string>): Promise<Answer>;
  send(
    method: string,
    path: string,
    bearer: string | undefined,
    body?: Json | string,
    headers?: Record<string, string>,
  ): Promise<Answer>;
  /** Takes the store away, as when its disk is gone. */
  closeStore(): Promise<void>;
  close(): Promise<void>;
}

export const SMART = {
  authorize: 'https://ehr.example/auth/authorize',
  token: 'https://ehr.example/auth/token',
  introspect: 'https://ehr.example/auth/introspect',
  revoke: 'https://ehr.example/auth/revoke',
};

/** One for all endpoints of a test file: it loads the definitions once. */
const validator = new R4Validator();

/** A FHIR endpoint on a loopback socket and an SQLite file of its own. */
export async function startEndpoint(): Promise<Endpoint> {
  const folder = await mkdtemp(join(tmpdir(), 'lockstep-fhir-'));
  const store = await openSqlite({ path: join(folder, 'store.db'), log: { count: 100, ageMs: 60_000 } });
  const tokens = new Map<string, TokenInfo>();
  const audits: AccessRecord[] = [];
  const clock = { time: NOW };
  const app = fastify();
  let made = 0;
  const { plugin, service } = await createFhir({
    records: store.records,
    validator,
    clock: { now: () => clock.time },
    baseUrl: BASE,
    tokenOf: ({ headers }) => tokens.get(bearerToken(headers.authorization) ?? ''),
    smart: () => SMART,
    hubUrl: 'https://ehr.example/hub',
    ids: () => `made-${++made}`,
    version: '0.0.0-test',
    images: sampleImage,
    audit: (record) => void audits.push(record),
  });
  await app.register(plugin, { prefix: '/fhir' });
  const local = `${await app.listen({ host: '127.0.0.1', port: 0 })}/fhir`;

  const send: Endpoint['send'] = async (method, path, bearer, sent, headers = {}) => {
    const response = await fetch(`${local}${path.startsWith(BASE) ? path.slice(BASE.length) : path}`, {
      method,
      headers: {
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(sent !== undefined && { 'content-type': 'application/fhir+json' }),
        ...headers,
      },
      ...(sent !== undefined && { body: typeof sent === 'string' ? sent : JSON.stringify(sent) }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const text = new TextDecoder().decode(bytes);
    const isJson = response.headers.get('content-type')?.includes('json') && text !== '';
    const body = isJson ? JSON.parse(text) : undefined;
    return { status: response.status, headers: response.headers, text, bytes, body };
  };
  return {
    service,
    audits,
    clock,
    token({ scope, user, patient, expiresAt = NOW + 3_600_000_000 }) {
      const bearer = `token-${tokens.size + 1}`;
      tokens.set(bearer, {
        tokenId: bearer,
        clientId: 'test-client',
        scopes: new Scopes(scope),
        expiresAt,
        ...(user !== undefined && { user }),
        ...(patient !== undefined && { patient }),
      });
      return bearer;
    },
    revoke: (bearer) => tokens.delete(bearer),
    get: (path, bearer, headers) => send('GET', path, bearer, undefined, headers),
    send,
    closeStore: () => store.close(),
    async close() {
      await app.close();
      await store.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** The resources of a Bundle's matches. */
export function matches(bundle: JsonObject): { readonly resourceType: string; readonly id: string }[] {
  return entries(bundle, 'match');
}

/** The resources that a Bundle includes besides its matches. */
export function included(bundle: JsonObject): { readonly resourceType: string; readonly id: string }[] {
  return entries(bundle, 'include');
}

function entries(bundle: JsonObject, mode: string) {
  const all = (bundle.entry ?? []) as unknown as {
    search: { mode: string };
    resource: { resourceType: string; id: string };
  }[];
  return all.filter(({ search }) => search.mode === mode).map(({ resource }) => resource);
}
