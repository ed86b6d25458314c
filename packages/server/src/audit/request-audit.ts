/** One record for each request at an audited door, made once it is answered, with what the handlers say about it. */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { claimedClient } from '../http/claimed-client.ts';
import { RequestRefused } from '../http/failure.ts';
import type { ServerAuditTrail } from './audit-trail.ts';
import type { AuditedAct } from './audited-act.ts';

/** What is said about the request that is being answered. */
export type Described = Partial<Omit<AuditedAct, 'at' | 'status'>>;

declare module 'fastify' {
  interface FastifyRequest {
    audit: RequestNotes;
  }
}

class RequestNotes {
  readonly all: Described = {};
  /** What was done in one request, where that is more than one act or none of its door's. */
  readonly acts: Described[] = [];
  isRecorded = false;
}

const current = new AsyncLocalStorage<RequestNotes>();

/** Adds to the record of the request that is being answered; nothing outside of one. */
export function describeRequest(described: Described): void {
  const notes = current.getStore();
  if (notes) Object.assign(notes.all, described);
}

/**
 * Says what is done by the request that is being answered: it gets a record of its own instead of the door's.
 * @returns false outside of a request
 */
export function describeAct(described: Described): boolean {
  const notes = current.getStore();
  notes?.acts.push(described);
  return notes !== undefined;
}

/** Must be added before every other hook. */
export function auditRequests(app: FastifyInstance, trail: ServerAuditTrail): void {
  app.decorateRequest('audit');
  app.addHook('onRequest', (request, _reply, done) => {
    request.audit = new RequestNotes();
    current.run(request.audit, done);
  });
  // A body arrives in its connection's own context.
  app.addHook('preValidation', (request, _reply, done) => current.run(request.audit, done));
  app.addHook('onSend', async (request, reply) => {
    record(request, reply.statusCode, trail);
    if (await trail.kept()) return;
    // What was done and could not be recorded is not confirmed; the answer that says so is not recorded once more.
    if (reply.statusCode < 500 && (isAudited(request) || request.audit.acts.length > 0)) throw unrecorded();
  });
  // What the provider answers by itself.
  app.addHook('onResponse', (request, reply, done) => {
    record(request, reply.raw.statusCode, trail);
    done();
  });
}

function isAudited(request: FastifyRequest): boolean {
  return typeof request.routeOptions.config?.door?.audit === 'string';
}

/** Why an act is refused, or not confirmed, while the audit cannot be written and its setting says `refuse`. */
export function unrecorded(): RequestRefused {
  return new RequestRefused('audit-unavailable', 'The audit trail cannot be written; nothing is done until it can');
}

function record(request: FastifyRequest, status: number, trail: ServerAuditTrail): void {
  if (request.audit.isRecorded) return;
  request.audit.isRecorded = true;
  const audited = request.routeOptions.config?.door?.audit;
  const { all, acts } = request.audit;
  const act = typeof audited === 'string' ? audited : undefined;
  // Who asks too often is slowed, and must not fill the trail; the FHIR endpoint makes its own records.
  if (status === 429 || act === 'fhir') return;
  const common = { ...whoAsks(request), ...all, status, address: request.ip, requestId: String(request.id) };
  for (const one of acts) {
    const done = one.act ?? act;
    if (done !== undefined) trail.record({ ...common, ...one, act: done });
  }
  if (act === undefined || acts.some((one) => (one.act ?? act) === act)) return;
  trail.record({ ...common, ...target(request, act), ...all, act: all.act ?? act });
}

function whoAsks(request: FastifyRequest): Described {
  const { caller } = request;
  if (caller) return { clientId: caller.clientId, ...(caller.user !== undefined && { user: caller.user }) };
  const clientId = claimedClient(request);
  return clientId === undefined ? {} : { clientId };
}

/** What it is done to, as far as the address and the body say. */
function target(request: FastifyRequest, act: AuditedAct['act']): Described {
  const params = (request.params ?? {}) as Readonly<Record<string, string>>;
  const { topic } = params;
  if (act !== 'administration' && act !== 'client-registration') return topic === undefined ? {} : { topic };
  const body = (typeof request.body === 'object' && request.body !== null ? request.body : {}) as Record<
    string,
    unknown
  >;
  const named = [params.id, body.id, body.client_id, body.client_name].find((one) => typeof one === 'string') as
    | string
    | undefined;
  const detail = `${request.method} ${request.routeOptions.url ?? ''}`;
  return { detail, ...(named !== undefined && { subject: named.slice(0, 200) }) };
}
