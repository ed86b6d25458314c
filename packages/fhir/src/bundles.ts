import { isResourceType, keyText, textOf } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import { parseEverything } from './everything.ts';
import { numberOf, parseExact } from './exact-json.ts';
import type { Answered, AnsweredBundle, FhirExchange, Planner, Precondition, WriteTarget } from './exchange.ts';
import { parseHistory } from './history.ts';
import { etag } from './interactions.ts';
import { ifMatch, noneMatch, type Preferences } from './negotiation.ts';
import { FhirRefusal, operationOutcome } from './refusal.ts';
import { isObject, type Json, type JsonObject, type Resource, references } from './resource.ts';
import { shownOfRead, subset } from './subset.ts';
import { contentOf, type SubmittedResource } from './validate.ts';

const MAX_ENTRIES = 200;
/** Characters of the resources that one Bundle has answered: small requests can ask for large resources again and again. */
const MAX_ANSWERED = 8 * 1024 * 1024;
/** How often a transaction is tried again when another write came first. */
const ATTEMPTS = 5;
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** Told of what the requests of a Bundle answered and changed: whole resources, however little of them is answered. */
export type AnswerListener = (found: Answered | AnsweredBundle) => void;

/** One request of a Bundle, as it was read. */
interface EntryRequest {
  readonly index: number;
  readonly method: string;
  /** `Type`, `Type/id`, `Type/id/_history` and so on, without the query. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
  readonly body: Json | undefined;
  readonly fullUrl?: string;
  readonly precondition: Precondition;
  readonly condition?: string;
  /** Of a read: entity tags that the client has already. */
  readonly known?: string;
}

interface EntryAnswer extends JsonObject {
  readonly resource?: JsonObject;
  readonly response: JsonObject;
}

/** An answer, and how many characters it has. */
interface SizedAnswer {
  readonly answer: EntryAnswer;
  readonly size: number;
}

/** Requests of a batch or a transaction, each with the caller's own rights: nothing is allowed that is not allowed alone. */
export class Bundles<A, P = never> {
  readonly #interactions: FhirExchange<A>;
  readonly #planner: Planner<A, P> | undefined;
  readonly #validator: R4Validator;
  readonly #baseUrl: string;
  readonly #slice: () => Promise<void>;

  /**
   * @param planner without one, transactions are refused
   * @param slice waits for the turn of the next slice of work (see `WorkTurns`)
   */
  constructor(
    interactions: FhirExchange<A>,
    planner: Planner<A, P> | undefined,
    validator: R4Validator,
    baseUrl: string,
    slice = () => Promise.resolve(),
  ) {
    this.#slice = slice;
    this.#interactions = interactions;
    this.#planner = planner;
    this.#validator = validator;
    this.#baseUrl = baseUrl;
  }

  /** @throws Refusal for what is no batch or transaction, and for a transaction of which any part is refused */
  async run(content: SubmittedResource, access: A, seen: AnswerListener = () => undefined): Promise<JsonObject> {
    const bundle = content.exact();
    const type = isObject(bundle) && bundle.resourceType === 'Bundle' ? bundle.type : undefined;
    if (!isObject(bundle) || (type !== 'batch' && type !== 'transaction')) {
      throw new FhirRefusal(400, 'structure', 'The body must be a Bundle of type batch or transaction.');
    }
    const entries: readonly Json[] = Array.isArray(bundle.entry) ? bundle.entry : [];
    if (bundle.entry !== undefined && !Array.isArray(bundle.entry)) {
      throw new FhirRefusal(400, 'structure', 'Bundle.entry must be an array.');
    }
    if (entries.length > MAX_ENTRIES) throw new FhirRefusal(413, 'too-costly', `At most ${MAX_ENTRIES} entries.`);
    if (type === 'transaction' && !this.#planner) {
      throw new FhirRefusal(400, 'not-supported', 'Transactions are not passed on: send a batch, or single requests.');
    }
    const entry =
      type === 'transaction' && this.#planner
        ? await this.#transaction(this.#planner, entries, content.r5, access, seen)
        : await this.#batch(entries, content.r5, access, seen);
    return { resourceType: 'Bundle', type: `${type}-response`, ...(entry.length > 0 && { entry }) };
  }

  async #batch(
    entries: readonly Json[],
    r5: boolean,
    access: A,
    seen: AnswerListener,
  ): Promise<readonly EntryAnswer[]> {
    const answers: EntryAnswer[] = [];
    const room = new AnswerRoom();
    for (const [index, entry] of entries.entries()) {
      await this.#slice();
      answers.push(
        await answerOf(async () => {
          room.require();
          return this.#alone(this.#read(entry, index), r5, access, room, seen);
        }),
      );
    }
    return answers;
  }

  /** One request, carried out. */
  async #alone(
    request: EntryRequest,
    r5: boolean,
    access: A,
    room: AnswerRoom,
    seen: AnswerListener,
  ): Promise<EntryAnswer> {
    const { method, precondition, condition, body } = request;
    const content = contentOf(body ?? null, r5);
    switch (method) {
      case 'GET':
      case 'HEAD':
        return room.fillRead(await this.#get(request, access, seen));
      case 'POST': {
        const done = await this.#interactions.create(typeOf(request), content, condition, access);
        seen(done);
        return room.fill(this.#written(done, done.created ? '201' : '200'));
      }
      case 'PUT': {
        const done = await this.#interactions.update(targetOf(request), content, precondition, access);
        seen(done);
        return room.fill(this.#written(done, done.created ? '201' : '200'));
      }
      case 'PATCH': {
        const patch = contentOf(patchOf(body), r5);
        const done = await this.#interactions.patch(targetOf(request), patch, precondition, access);
        seen(done);
        return room.fill(this.#written(done, '200', done.readable), done.resource);
      }
      default: {
        const { removed, version } = await this.#interactions.remove(targetOf(request), precondition, access);
        if (removed) seen(asAnswered(removed));
        return { response: { status: '204', ...(version !== undefined && { etag: etag(version) }) } };
      }
    }
  }

  async #get(request: EntryRequest, access: A, seen: AnswerListener): Promise<SizedAnswer> {
    const found = await this.#found(request, access, seen);
    if (request.method !== 'HEAD') return found;
    return { answer: { response: found.answer.response }, size: 0 };
  }

  async #found(request: EntryRequest, access: A, seen: AnswerListener): Promise<SizedAnswer> {
    const { path, query } = request;
    const [type = '', id, , version] = path;
    const ok = (found: AnsweredBundle): SizedAnswer => {
      const { text, bundle } = found;
      seen(found);
      return {
        answer: { resource: bundle ?? (parseExact(text) as JsonObject), response: { status: '200' } },
        size: text.length,
      };
    };
    if (id === undefined) return ok(await this.#interactions.search(type, query, access));
    if (path.length === 2) return this.#read200(await this.#interactions.read({ type, id }, access), request, seen);
    if (isEverything(path)) return ok(await this.#interactions.everything(id, query, access));
    if (version === undefined) return ok(await this.#interactions.history({ type, id }, query, access));
    return this.#read200(await this.#interactions.vread({ type, id }, version, access), request, seen);
  }

  #read200(found: Answered, { query, known, path }: EntryRequest, seen: AnswerListener): SizedAnswer {
    const { resource, text } = found;
    const version = versionOf(resource);
    const shows = shownOfRead(path[0]!, query, this.#validator);
    seen(found);
    if (typeof version.etag === 'string' && noneMatch(known, version.etag)) {
      return { answer: { response: { status: '304', ...version } }, size: 0 };
    }
    const shown = shows ? subset(parseExact(text) as JsonObject, shows) : resource;
    return { answer: { resource: shown, response: { status: '200', ...version } }, size: text.length };
  }

  #written({ resource }: Answered, status: string, readable = true): EntryAnswer {
    const { resourceType, id, meta } = resource;
    const location = `${this.#baseUrl}/${resourceType}/${id}${meta?.versionId ? `/_history/${meta.versionId}` : ''}`;
    return { ...(readable && { resource }), response: { status, location, ...versionOf(resource) } };
  }

  /**
   * All or nothing, reads as well. Deletions come first, then creations, updates and patches, then reads (R4 3.1.0.11.2).
   */
  async #transaction(
    planner: Planner<A, P>,
    entries: readonly Json[],
    r5: boolean,
    access: A,
    seen: AnswerListener,
  ): Promise<readonly EntryAnswer[]> {
    const requests = entries.map((entry, index) => at(index, () => this.#read(entry, index)));
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const answers = new Map<number, EntryAnswer>();
      const room = new AnswerRoom();
      const { planned, changes } = await this.#plan(planner, requests, r5, access, answers, room);
      await this.#requireReads(planner, requests, access, changes, room.left());
      if (!(await planner.commit(planned))) continue;
      for (const { resource } of changes.values()) if (resource) seen(asAnswered(resource));
      // The writes are done by now: where others have changed what is read since it was looked at, that read says so alone.
      for (const request of requests) {
        if (!isRead(request)) continue;
        await this.#slice();
        const answer = await answerOf(async () => {
          room.require();
          return room.fillRead(await this.#get(request, access, seen));
        });
        answers.set(request.index, answer);
      }
      return requests.map(({ index }) => answers.get(index)!);
    }
    throw new FhirRefusal(409, 'conflict', 'What the transaction changes is being changed by others; try again.');
  }

  /** Refuses the whole transaction where a read in it would be refused: before anything is written. */
  async #requireReads(
    planner: Planner<A, P>,
    requests: readonly EntryRequest[],
    access: A,
    changes: ReadonlyMap<string, Change>,
    room: AnswerRoom,
  ): Promise<void> {
    for (const request of requests) {
      if (!isRead(request)) continue;
      await this.#slice();
      await atAsync(request.index, async () => {
        const [type = '', id] = request.path;
        const change = id === undefined ? undefined : changes.get(keyText({ type, id }));
        room.require();
        if (change?.resource) await this.#requirePart(planner, request, change, change.resource, access, room);
        else room.fillRead(await this.#get(request, access, () => undefined));
      });
    }
  }

  /** Refuses a read of what the transaction writes or deletes, of its versions or of all of a patient, as afterwards. */
  async #requirePart(
    planner: Planner<A, P>,
    request: EntryRequest,
    { isDeletion }: Change,
    resource: Resource,
    access: A,
    room: AnswerRoom,
  ): Promise<void> {
    const { path, query } = request;
    const isHistory = path.length > 2 && !isEverything(path);
    await planner.requireRead(resource, access);
    if (isDeletion && !isHistory) {
      throw new FhirRefusal(410, 'deleted', `The transaction deletes the ${resource.resourceType}.`);
    }
    if (isEverything(path)) parseEverything(query);
    else if (path.length === 3) parseHistory(query);
    else if (path.length === 4 && (isDeletion || path[3] !== resource.meta.versionId)) {
      // A version that was there before the transaction, or is not there afterwards either.
      room.fillRead(await this.#get(request, access, () => undefined));
    } else {
      shownOfRead(resource.resourceType, query, this.#validator);
      room.fill({ resource, response: {} });
    }
  }

  /** What the transaction would write, every part of it checked. */
  async #plan(
    planner: Planner<A, P>,
    requests: readonly EntryRequest[],
    r5: boolean,
    access: A,
    answers: Map<number, EntryAnswer>,
    room: AnswerRoom,
  ): Promise<{ readonly planned: readonly P[]; readonly changes: ReadonlyMap<string, Change> }> {
    const planned: P[] = [];
    const changes = new Map<string, Change>();
    const once = (what: string, change: Change = { isDeletion: false }): void => {
      if (changes.has(what)) throw new FhirRefusal(400, 'invariant', 'A resource is written twice.');
      changes.set(what, change);
    };
    for (const request of requests) {
      if (request.method !== 'DELETE') continue;
      await this.#slice();
      await atAsync(request.index, async () => {
        const {
          key,
          removed,
          version,
          planned: plans,
        } = await planner.planRemoval(targetOf(request), request.precondition, access);
        if (key) once(keyText(key), { isDeletion: true, ...(removed && { resource: removed }) });
        planned.push(...plans);
        const response = { status: '204', ...(version !== undefined && { etag: etag(version) }) };
        answers.set(request.index, { response });
      });
    }
    const renamed = await this.#renamed(planner, requests, access);
    for (const request of requests) {
      const { index, method } = request;
      if (method === 'DELETE' || isRead(request)) continue;
      await this.#slice();
      await atAsync(index, async () => {
        room.require();
        const body = this.#withNewIds(request, renamed);
        const { resource, answer, plans } = await this.#planWrite(
          planner,
          request,
          contentOf(body, r5),
          renamed.ids,
          access,
        );
        if (plans.length > 0)
          once(keyText({ type: resource.resourceType, id: resource.id }), { isDeletion: false, resource });
        const condition = conditionOf(request);
        if (condition !== undefined) once(`${resource.resourceType}?${condition}`);
        planned.push(...plans);
        answers.set(index, room.fill(answer, resource));
      });
    }
    return { planned, changes };
  }

  async #planWrite(
    planner: Planner<A, P>,
    request: EntryRequest,
    content: SubmittedResource,
    ids: ReadonlyMap<number, string>,
    access: A,
  ) {
    const { index, method, precondition, condition } = request;
    if (method === 'POST') {
      const plan = await planner.planCreate(typeOf(request), content, condition, access, ids.get(index));
      if ('existing' in plan) {
        return { resource: plan.existing, plans: [], answer: this.#written(asAnswered(plan.existing), '200') };
      }
      return { resource: plan.resource, plans: plan.planned, answer: this.#written(asAnswered(plan.resource), '201') };
    }
    if (method === 'PUT') {
      const plan = await planner.planUpdate(targetOf(request), content, precondition, access, ids.get(index));
      const answer = this.#written(asAnswered(plan.resource), plan.created ? '201' : '200');
      return { resource: plan.resource, plans: plan.planned, answer };
    }
    const patch = contentOf(patchOf(content.exact()), content.r5);
    const plan = await planner.planPatch(targetOf(request), patch, precondition, access);
    const answer = this.#written(asAnswered(plan.resource), '200', plan.readable);
    return { resource: plan.resource, plans: plan.planned, answer };
  }

  /** What an entry writes, with the ids that the server gives: in references, and wherever else R4 has an address. */
  #withNewIds({ body = null, fullUrl }: EntryRequest, { found, fullUrls, created }: NewIds): Json {
    const newId = (address: string, isReference: boolean): string | undefined => {
      const [, plain = address, version] = VERSIONED.exec(address) ?? [];
      const known = fullUrls.get(plain) ?? fullUrls.get(besides(fullUrl, plain) ?? '');
      if (known === undefined) return isReference ? found.get(address) : undefined;
      if (version === undefined) return known;
      // What is created now has one version.
      return created.has(known) ? `${known}/_history/1` : undefined;
    };
    const changed = rewritten(body, (reference) => newId(reference, true));
    if (fullUrls.size === 0 || !isObject(changed)) return changed;
    return this.#validator.withAddresses(changed, (address) => newId(address, false)) as JsonObject;
  }

  /** The ids that created resources get, and what references by `fullUrl` and by search (`Patient?identifier=x`) become. */
  async #renamed(planner: Planner<A, P>, requests: readonly EntryRequest[], access: A): Promise<NewIds> {
    const ids = new Map<number, string>();
    const fullUrls = new Map<string, string>();
    const found = new Map<string, string>();
    const created = new Set<string>();
    for (const request of requests) {
      const { index, method, fullUrl, body } = request;
      if (method !== 'POST' && method !== 'PUT') continue;
      await this.#slice();
      await atAsync(index, async () => {
        const type = typeOf(request);
        const { id, isNew } = await this.#idOf(planner, request, access);
        ids.set(index, id);
        for (const reference of searchesIn(body)) {
          if (!found.has(reference)) found.set(reference, await referred(planner, reference, access));
        }
        if (isNew) created.add(`${type}/${id}`);
        if (fullUrl === undefined) return;
        if (fullUrls.has(fullUrl)) throw new FhirRefusal(400, 'invariant', 'Two entries have one fullUrl.');
        fullUrls.set(fullUrl, `${type}/${id}`);
      });
    }
    return { ids, fullUrls, found, created };
  }

  /** The id of what an entry writes: in its address, of what its condition finds, or a new one of the server's. */
  async #idOf(
    planner: Planner<A, P>,
    request: EntryRequest,
    access: A,
  ): Promise<{ readonly id: string; readonly isNew: boolean }> {
    const { method, path, body } = request;
    if (method === 'PUT' && path[1] !== undefined) return { id: path[1], isNew: false };
    const condition = conditionOf(request);
    const found = condition === undefined ? undefined : await planner.matching(path[0]!, condition, access);
    const given = method === 'PUT' && isObject(body) && typeof body.id === 'string' ? body.id : undefined;
    const known = found?.id ?? given;
    return known === undefined ? { id: planner.newId(), isNew: true } : { id: known, isNew: false };
  }

  #read(entry: Json, index: number): EntryRequest {
    const request = isObject(entry) ? entry.request : undefined;
    if (!isObject(entry) || !isObject(request)) throw new FhirRefusal(400, 'required', 'The entry needs a request.');
    const { method, url, ifMatch: match, ifNoneMatch, ifNoneExist } = request;
    if (typeof method !== 'string' || !METHODS.has(method)) {
      throw new FhirRefusal(400, 'not-supported', 'request.method must be GET, HEAD, POST, PUT, PATCH or DELETE.');
    }
    if (typeof url !== 'string') throw new FhirRefusal(400, 'required', 'request.url is required.');
    for (const [name, value] of Object.entries({ ifMatch: match, ifNoneMatch, ifNoneExist, fullUrl: entry.fullUrl })) {
      if (value !== undefined && typeof value !== 'string')
        throw new FhirRefusal(400, 'value', `${name} must be a string.`);
    }
    const reads = method === 'GET' || method === 'HEAD';
    if (ifNoneMatch !== undefined && !reads && ifNoneMatch !== '*') {
      throw new FhirRefusal(400, 'not-supported', 'ifNoneMatch must be "*" on a write.');
    }
    const [address = '', query = ''] = this.#relative(url).split(/\?(.*)/s);
    const path = address.split('/').map(decoded);
    if (!isResourceType(path[0] ?? '')) throw notHere();
    if (reads && path.length > 2 && !isEverything(path) && (path[2] !== '_history' || path.length > 4)) throw notHere();
    if (method === 'POST' && path.length === 1 && query !== '') {
      throw new FhirRefusal(400, 'not-supported', 'A condition of a creation stands in ifNoneExist.');
    }
    const version = ifMatch(match as string | undefined);
    return {
      index,
      method,
      path,
      query: new URLSearchParams(query),
      body: entry.resource,
      ...(typeof entry.fullUrl === 'string' && { fullUrl: entry.fullUrl }),
      precondition: { ...(version !== undefined && { version }), absent: !reads && ifNoneMatch === '*' },
      ...(reads && typeof ifNoneMatch === 'string' && { known: ifNoneMatch }),
      ...(typeof ifNoneExist === 'string' && { condition: ifNoneExist }),
    };
  }

  #relative(url: string): string {
    return url.startsWith(`${this.#baseUrl}/`) ? url.slice(this.#baseUrl.length + 1) : url;
  }
}

/** What a transaction does to one resource, or under one condition. */
interface Change {
  readonly isDeletion: boolean;
  /** As it will be, or was. */
  readonly resource?: Resource;
}

/** What the server calls the resources that a transaction is about. */
interface NewIds {
  /** Ids by the index of the entry. */
  readonly ids: ReadonlyMap<number, string>;
  /** `Type/id` by the `fullUrl` of an entry. */
  readonly fullUrls: ReadonlyMap<string, string>;
  /** `Type/id` by the search that a reference names it by. */
  readonly found: ReadonlyMap<string, string>;
  /** `Type/id` of those that get an id of the server's. */
  readonly created: ReadonlySet<string>;
}

const VERSIONED = /^(.+)\/_history\/([A-Za-z0-9\-.]{1,64})$/;

/** What a relative reference means in an entry whose `fullUrl` is an address of a FHIR server: one beside it (R4 2.36.4.1). */
function besides(fullUrl: string | undefined, reference: string): string | undefined {
  const root = /^(https?:\/\/.*\/)[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.exec(fullUrl ?? '')?.[1];
  return root !== undefined && /^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(reference) ? root + reference : undefined;
}

function isEverything(path: readonly string[]): boolean {
  return path.length === 3 && path[0] === 'Patient' && path[2] === '$everything';
}

function isRead({ method }: EntryRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}

/** How much the requests of one Bundle may still answer. */
class AnswerRoom {
  #left = MAX_ANSWERED;

  /** As much room as there is now. */
  left(): AnswerRoom {
    const room = new AnswerRoom();
    room.#left = this.#left;
    return room;
  }

  /** @throws Refusal 413 when there is no room: before the next request is carried out */
  require(): void {
    if (this.#left > 0) return;
    throw new FhirRefusal(
      413,
      'too-costly',
      'The answers before this are too long: send what is left in another Bundle.',
    );
  }

  /** @param size characters of what was read */
  fillRead({ answer, size }: SizedAnswer): EntryAnswer {
    this.#left -= size;
    return answer;
  }

  /** @param resource what was changed, where the answer does not show it */
  fill(answer: EntryAnswer, resource = answer.resource): EntryAnswer {
    if (resource) this.#left -= JSON.stringify(resource).length;
    return answer;
  }
}

/** What is said of a write instead of the resource, where the client asks for that. */
export const STORED = {
  resourceType: 'OperationOutcome',
  issue: [{ severity: 'information', code: 'informational', diagnostics: 'Stored.' }],
};

/** A Bundle of answers as the client prefers it: with the resources that were written, or without (R4 3.1.0.1.5). */
export function asPreferred(bundle: JsonObject, { body }: Preferences): JsonObject {
  if (body === 'representation' || !Array.isArray(bundle.entry)) return bundle;
  const entry = (bundle.entry as readonly EntryAnswer[]).map((one) => {
    const { resource: _resource, response } = one;
    // Only writes say where the resource is.
    if (response.location === undefined) return one;
    return { response: body === 'minimal' ? response : { ...response, outcome: STORED } };
  });
  return { ...bundle, entry };
}

/** The answer to one request, a refusal too. */
async function answerOf(run: () => Promise<EntryAnswer>): Promise<EntryAnswer> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof FhirRefusal)) throw error;
    return { response: { status: String(error.status), outcome: operationOutcome(error.issue, error.message) } };
  }
}

function asAnswered(resource: Resource): Answered {
  return { resource, text: '' };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new FhirRefusal(400, 'value', 'request.url cannot be decoded.');
  }
}

function typeOf({ path, method }: EntryRequest): string {
  if (method === 'POST' && path.length !== 1) throw notHere();
  return path[0]!;
}

function targetOf({ path, query }: EntryRequest): WriteTarget {
  const [type = '', id] = path;
  if (path.length === 1 && query.size > 0) return { type, condition: query.toString() };
  if (path.length !== 2 || id === undefined || query.size > 0) throw notHere();
  return { type, id };
}

/** The search by which an entry creates, or finds what it changes; undefined where it names an id, or has none. */
function conditionOf({ method, path, query, condition }: EntryRequest): string | undefined {
  if (method === 'POST') return condition;
  return path.length === 1 && query.size > 0 ? query.toString() : undefined;
}

const SEARCH = /^[A-Z][A-Za-z]+\?./;

/** References of a resource that name what they mean by a search (R4 3.1.0.11.2.2). */
function searchesIn(body: Json | undefined): string[] {
  return isObject(body) ? references(body).filter((reference) => SEARCH.test(reference)) : [];
}

/** @throws Refusal 412 for a search that does not find exactly one */
async function referred<A, P>(planner: Planner<A, P>, reference: string, access: A): Promise<string> {
  const [type = '', condition = ''] = reference.split(/\?(.*)/s);
  const found = await planner.matching(type, condition, access);
  if (!found) throw new FhirRefusal(412, 'not-found', 'A reference by search finds nothing.');
  return `${type}/${found.id}`;
}

function notHere(): FhirRefusal {
  return new FhirRefusal(400, 'not-supported', 'request.url is no address of this server for this method.');
}

function versionOf({ meta }: Resource): JsonObject {
  return {
    ...(meta?.versionId !== undefined && { etag: etag(meta.versionId) }),
    ...(meta?.lastUpdated !== undefined && { lastModified: meta.lastUpdated }),
  };
}

/** The JSON Patch in a Binary, as a Bundle carries it (R4 3.1.0.7.1). */
function patchOf(body: Json | undefined): Json {
  if (!isObject(body) || body.resourceType !== 'Binary' || body.contentType !== 'application/json-patch+json') {
    throw new FhirRefusal(400, 'not-supported', 'A PATCH needs a Binary of application/json-patch+json.');
  }
  try {
    return JSON.parse(Buffer.from(textOf(body.data), 'base64').toString('utf8')) as Json;
  } catch {
    throw new FhirRefusal(400, 'structure', 'The Binary holds no JSON.');
  }
}

/** The value with its references replaced. @param newId says what a reference becomes; undefined where it stays */
function rewritten(value: Json, newId: (reference: string) => string | undefined, depth = 0): Json {
  if (!isContainer(value) || depth > 100) return value;
  if (Array.isArray(value)) return value.map((one) => rewritten(one, newId, depth + 1));
  return Object.fromEntries(
    Object.entries(value as JsonObject).map(([name, child]) => {
      const known = name === 'reference' && typeof child === 'string' ? newId(child) : undefined;
      return [name, known ?? rewritten(child ?? null, newId, depth + 1)];
    }),
  );
}

/** Whether it is an object or array, not a number that is kept as it was written. */
function isContainer(value: Json): value is JsonObject | readonly Json[] {
  return value !== null && typeof value === 'object' && numberOf(value) === undefined;
}

/** A refusal that says which entry it is about. */
function refusedAt(index: number, error: unknown): unknown {
  if (!(error instanceof FhirRefusal)) return error;
  return new FhirRefusal(error.status, error.issue, `Bundle.entry[${index}]: ${error.message}`, error.headers);
}

function at<T>(index: number, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw refusedAt(index, error);
  }
}

async function atAsync<T>(index: number, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw refusedAt(index, error);
  }
}
