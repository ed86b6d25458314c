/** Resources for a stage, written before its server starts: through the FHIR endpoint, into the file that the server opens. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { createFhir } from '@lockstep/fhir';
import { type Resource, Scopes } from '@lockstep/fhircast';
import { R4Validator } from '@lockstep/r4';
import { openSqlite } from '@lockstep/store-sqlite';
import fastify from 'fastify';

const ADDRESS = 'http://localhost';
const DAY = 86_400_000;
/** Written at the same time: the store commits them together. */
const AT_ONCE = 250;

/** A user who signs in elsewhere, as tests need many of: no password is made, which takes long. */
export interface ManyUser {
  readonly id: string;
  readonly name: string;
  readonly aliases: readonly string[];
}

/** Writes users as the authorization server keeps them. @param data the server's folder */
export async function writeUsers(data: string, users: readonly ManyUser[]): Promise<void> {
  const store = await openSqlite({ path: join(data, 'lockstep.db'), log: { count: 1000, ageMs: DAY } });
  const writes = users.map(({ id, name, aliases }) => {
    const reference = `Practitioner/${id}`;
    const user = { id, name, reference, administrator: false, aliases, sample: false, status: 'active' };
    const indexes = { reference, alias: aliases, name: [id, reference, ...aliases].map((one) => one.toLowerCase()) };
    return { kind: 'user', id, record: { body: JSON.stringify(user), indexes } };
  });
  // The store's worker alone does not keep the process waiting for it.
  const waiting = setInterval(() => undefined, 1000);
  await store.records.putAll(writes, Date.now());
  await store.close();
  clearInterval(waiting);
}

/** @param data the server's folder. @throws Error when the endpoint does not take a resource */
export async function writeRecords(data: string, resources: readonly Resource[]): Promise<void> {
  const store = await openSqlite({ path: join(data, 'lockstep.db'), log: { count: 1000, ageMs: DAY } });
  const app = fastify();
  const { plugin, service } = await createFhir({
    records: store.records,
    validator: new R4Validator(),
    clock: { now: Date.now },
    baseUrl: `${ADDRESS}/fhir`,
    hubUrl: `${ADDRESS}/hub`,
    version: '0',
    ids: randomUUID,
    tokenOf: () => ({
      tokenId: 'test',
      clientId: 'test',
      scopes: new Scopes('system/*.cruds'),
      expiresAt: Date.now() + DAY,
    }),
    smart: () => ({ authorize: ADDRESS, token: ADDRESS, introspect: ADDRESS, revoke: ADDRESS }),
  });
  await app.register(plugin, { prefix: '/fhir' });
  // The store's worker alone does not keep the process waiting for it.
  await app.listen({ port: 0, host: '127.0.0.1' });
  await service.seedSampleData();
  const write = async (resource: Resource): Promise<void> => {
    const { statusCode, body } = await app.inject({
      method: 'PUT',
      url: `/fhir/${resource.resourceType}/${resource.id}`,
      headers: { authorization: 'Bearer test', 'content-type': 'application/fhir+json' },
      payload: JSON.stringify(resource),
    });
    if (statusCode >= 300) throw new Error(`${resource.resourceType}/${resource.id}: ${statusCode} ${body}`);
  };
  for (let start = 0; start < resources.length; start += AT_ONCE) {
    await Promise.all(resources.slice(start, start + AT_ONCE).map(write));
  }
  await app.close();
  await store.close();
}
