import { keyText } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import { type NewIds, searchesIn, withNewIds } from './bundle-references.ts';
import {
  conditionOf,
  type EntryRequest,
  isEverything,
  isRead,
  patchOf,
  readRequest,
  targetOf,
  typeOf,
} from './bundle-requests.ts';
import { parseEverything } from './everything.ts';
import { parseExact } from './exact-json.ts';
import type {
  Answered,
  AnsweredBundle,
  CheckedWrite,
  FhirExchange,
  Planner,
  TransactionForwarder,
  TransactionReads,
  TransactionWrite,
  WriteDone,
} from './exchange.ts';
import { parseHistory } from './history.ts';
import { etag } from './interactions.ts';
import { noneMatch, type Preferences } from './negotiation.ts';
import { FhirRefusal, operationOutcome } from './refusal.ts';
import { isObject, type Json, type JsonObject, type Resource } from './resource.ts';
import { shownOfRead, subset } from './subset.ts';
import { contentOf, type SubmittedResource } from './validate.ts';

const MAX_ENTRIES = 200;
/** Characters of the resources that one Bundle has answered: small requests can ask for large resources again and again. */
const MAX_ANSWERED = 8 * 1024 * 1024;
/** How often a transaction is tried again when another write came first. */
const ATTEMPTS = 5;

/** Told of what the requests of a Bundle answered and changed: whole resources, however little of them is answered. */
export type AnswerListener = (found: Answered | AnsweredBundle) => void;

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
export class Bundles<A, P = never, W extends CheckedWrite = never> {
  readonly #interactions: FhirExchange<A>;
  readonly #transactions: Planner<A, P> | TransactionForwarder<A, W>;
  readonly #validator: R4Validator;
  readonly #baseUrl: string;
  readonly #slice: () => Promise<void>;

  /**
   * @param transactions how they are carried out: here, or by another server
   * @param slice waits for the turn of the next slice of work (see `WorkTurns`)
   */
  constructor(
    interactions: FhirExchange<A>,
    transactions: Planner<A, P> | TransactionForwarder<A, W>,
    validator: R4Validator,
    baseUrl: string,
    slice = () => Promise.resolve(),
  ) {
    this.#slice = slice;
    this.#interactions = interactions;
    this.#transactions = transactions;
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
    const entry = await this.#run(type, entries, content.r5, access, seen);
    return { resourceType: 'Bundle', type: `${type}-response`, ...(entry.length > 0 && { entry }) };
  }

  async #run(
    type: 'batch' | 'transaction',
    entries: readonly Json[],
    r5: boolean,
    access: A,
    seen: AnswerListener,
  ): Promise<readonly EntryAnswer[]> {
    if (type === 'batch') return this.#batch(entries, r5, access, seen);
    const transactions = this.#transactions;
    return 'carryOut' in transactions
      ? this.#forwarded(transactions, entries, r5, access, seen)
      : this.#transaction(transactions, entries, r5, access, seen);
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
          return this.#alone(readRequest(entry, index, this.#baseUrl), r5, access, room, seen);
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
    const whole = exactOf(found);
    const shown = shows ? subset(whole, shows) : whole;
    return { answer: { resource: shown, response: { status: '200', ...version } }, size: text.length };
  }

  #written(done: Answered, status: string, readable = true): EntryAnswer {
    const { resource } = done;
    const { resourceType, id, meta } = resource;
    const location = `${this.#baseUrl}/${resourceType}/${id}${meta?.versionId ? `/_history/${meta.versionId}` : ''}`;
    return { ...(readable && { resource: exactOf(done) }), response: { status, location, ...versionOf(resource) } };
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
    const requests = entries.map((entry, index) => at(index, () => readRequest(entry, index, this.#baseUrl)));
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const answers = new Map<number, EntryAnswer>();
      const room = new AnswerRoom();
      const { planned, changes } = await this.#plan(planner, requests, r5, access, answers, room);
      await this.#requireReads(requests, room.left(), access, changes, async (request, change, left) =>
        change.resource
          ? this.#requirePart(planner, request, change, change.resource, access, left)
          : left.fillRead(await this.#get(request, access, () => undefined)),
      );
      if (!(await planner.commit(planned))) continue;
      for (const { resource } of changes.values()) if (resource) seen(asAnswered(resource));
      await this.#readAfter(requests, access, answers, room, seen);
      return requests.map(({ index }) => answers.get(index)!);
    }
    throw new FhirRefusal(409, 'conflict', 'What the transaction changes is being changed by others; try again.');
  }

  /** The writes are done by now: where others have changed what is read since it was looked at, that read says so alone. */
  async #readAfter(
    requests: readonly EntryRequest[],
    access: A,
    answers: Map<number, EntryAnswer>,
    room: AnswerRoom,
    seen: AnswerListener,
  ): Promise<void> {
    for (const request of requests) {
      if (!isRead(request)) continue;
      await this.#slice();
      const answer = await answerOf(async () => {
        room.require();
        return room.fillRead(await this.#get(request, access, seen));
      });
      answers.set(request.index, answer);
    }
  }

  /**
   * A transaction that another server carries out: it gets the writes, all of which must be allowed as if they came alone, and
   * names of Lockstep's own for what they create, so that what is checked is what it will read.
   */
  async #forwarded(
    forwarder: TransactionForwarder<A, W>,
    entries: readonly Json[],
    r5: boolean,
    access: A,
    seen: AnswerListener,
  ): Promise<readonly EntryAnswer[]> {
    await forwarder.requireTransactions();
    const requests = entries.map((entry, index) => at(index, () => readRequest(entry, index, this.#baseUrl)));
    const room = new AnswerRoom();
    const placeholders = await this.#placeholders(forwarder, requests, access);
    const checked: { readonly index: number; readonly write: W }[] = [];
    const answers = new Map<number, EntryAnswer>();
    const changes = new Changes<JsonObject>();
    for (const request of requests) {
      if (isRead(request)) continue;
      const { index } = request;
      await this.#slice();
      await atAsync(index, async () => {
        const write = await forwarder.check(this.#writeOf(request, placeholders, r5), access);
        const key = keyOf(request);
        const isDeletion = request.method === 'DELETE';
        const result = write?.result;
        if (key !== undefined) changes.add(key, { isDeletion, ...(result && { resource: result }) });
        else if (conditionOf(request) !== undefined) changes.add(`${typeOf(request)}?${conditionOf(request)}`);
        if (write) checked.push({ index, write });
        else answers.set(index, { response: { status: '204' } });
      });
    }
    await this.#requireReads(requests, room.left(), access, changes, async (request, change, left) => {
      const { path, query } = request;
      const [type = ''] = path;
      if (change.isDeletion && path.length === 2) throw deletedBy(type);
      if (!change.resource) return left.fillRead(await this.#get(request, access, () => undefined));
      await forwarder.requireRead(change.resource, access);
      if (path.length === 2) shownOfRead(type, query, this.#validator);
      return undefined;
    });
    const writes = checked.map(({ write }) => write);
    const done = writes.length > 0 ? await forwarder.carryOut(writes, access) : [];
    for (const [place, one] of done.entries()) answers.set(checked[place]!.index, room.fill(this.#done(one, seen)));
    await this.#readAfter(requests, access, answers, room, seen);
    return requests.map(({ index }) => answers.get(index)!);
  }

  #done(done: WriteDone, seen: AnswerListener): EntryAnswer {
    const { status } = done;
    if (status === '204') {
      return { response: { status, ...(done.version !== undefined && { etag: etag(done.version) }) } };
    }
    seen(done);
    return this.#written(done, status, done.readable);
  }

  #writeOf(request: EntryRequest, { names, ids }: Placeholders, r5: boolean): TransactionWrite {
    const { index, method, precondition, condition } = request;
    if (method === 'DELETE') return { method, target: targetOf(request), precondition };
    if (method === 'PATCH') {
      const content = contentOf(patchOf(withNewIds(request, ids, this.#validator)), r5);
      return { method, target: targetOf(request), content, precondition };
    }
    const content = contentOf(withNewIds(request, ids, this.#validator), r5);
    const name = names.get(index);
    const placeholder = name === undefined ? {} : { placeholder: name };
    return method === 'POST'
      ? { method, type: typeOf(request), content, condition, ...placeholder }
      : { method: 'PUT', target: targetOf(request), content, precondition, ...placeholder };
  }

  /** What the other server is to call what it creates, or finds: names that no client can know before. */
  async #placeholders(reads: TransactionReads<A>, requests: readonly EntryRequest[], access: A): Promise<Placeholders> {
    const names = new Map<number, string>();
    const fullUrls = new Map<string, string>();
    const found = new Map<string, string>();
    const call = (address: string, name: string): void => {
      if (fullUrls.has(address)) throw new FhirRefusal(400, 'invariant', 'Two entries have one fullUrl.');
      fullUrls.set(address, name);
    };
    for (const request of requests) {
      const { index, method, fullUrl, body, path } = request;
      if (method !== 'POST' && method !== 'PUT') continue;
      await this.#slice();
      await atAsync(index, async () => {
        const type = typeOf(request);
        await this.#findReferred(reads, body, access, found);
        const isNamed = method === 'PUT' && path[1] !== undefined;
        const name = isNamed ? `${type}/${path[1]}` : `urn:uuid:${crypto.randomUUID()}`;
        if (!isNamed) names.set(index, name);
        if (fullUrl !== undefined) call(fullUrl, name);
        // A condition may find another resource than the one whose id the body has.
        const given = isNamed || method === 'POST' || !isObject(body) ? undefined : body.id;
        if (typeof given === 'string') call(`${type}/${given}`, name);
      });
    }
    return { names, ids: { ids: new Map(), fullUrls, found, created: new Set() } };
  }

  async #findReferred(
    reads: TransactionReads<A>,
    body: Json | undefined,
    access: A,
    found: Map<string, string>,
  ): Promise<void> {
    for (const reference of searchesIn(body)) {
      if (!found.has(reference)) found.set(reference, await referred(reads, reference, access));
    }
  }

  /** Refuses the whole transaction where a read in it would be refused: before anything is written. */
  async #requireReads<R extends JsonObject>(
    requests: readonly EntryRequest[],
    room: AnswerRoom,
    access: A,
    changes: Changes<R>,
    requirePart: (request: EntryRequest, change: Change<R>, room: AnswerRoom) => Promise<unknown>,
  ): Promise<void> {
    for (const request of requests) {
      if (!isRead(request)) continue;
      await this.#slice();
      await atAsync(request.index, async () => {
        const [type = '', id] = request.path;
        const change = id === undefined ? undefined : changes.get(keyText({ type, id }));
        room.require();
        if (change) await requirePart(request, change, room);
        else room.fillRead(await this.#get(request, access, () => undefined));
      });
    }
  }

  /** Refuses a read of what the transaction writes or deletes, of its versions or of all of a patient, as afterwards. */
  async #requirePart(
    planner: Planner<A, P>,
    request: EntryRequest,
    { isDeletion }: Change<Resource>,
    resource: Resource,
    access: A,
    room: AnswerRoom,
  ): Promise<void> {
    const { path, query } = request;
    const isHistory = path.length > 2 && !isEverything(path);
    await planner.requireRead(resource, access);
    if (isDeletion && !isHistory) {
      throw deletedBy(resource.resourceType);
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
  ): Promise<{ readonly planned: readonly P[]; readonly changes: Changes<Resource> }> {
    const planned: P[] = [];
    const changes = new Changes<Resource>();
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
        if (key) changes.add(keyText(key), { isDeletion: true, ...(removed && { resource: removed }) });
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
        const body = withNewIds(request, renamed, this.#validator);
        const { resource, answer, plans } = await this.#planWrite(
          planner,
          request,
          contentOf(body, r5),
          renamed.ids,
          access,
        );
        if (plans.length > 0)
          changes.add(keyText({ type: resource.resourceType, id: resource.id }), { isDeletion: false, resource });
        const condition = conditionOf(request);
        if (condition !== undefined) changes.add(`${resource.resourceType}?${condition}`);
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
        await this.#findReferred(planner, body, access, found);
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
}

/** What a transaction does to one resource, or under one condition. */
interface Change<R extends JsonObject> {
  readonly isDeletion: boolean;
  /** As it will be, or was. */
  readonly resource?: R;
}

/** What a transaction does, by `Type/id` and `Type?condition`. */
class Changes<R extends JsonObject> {
  readonly #changes = new Map<string, Change<R>>();

  /** @throws Refusal 400 for what is written twice */
  add(what: string, change: Change<R> = { isDeletion: false }): void {
    if (this.#changes.has(what)) throw new FhirRefusal(400, 'invariant', 'A resource is written twice.');
    this.#changes.set(what, change);
  }

  get(key: string): Change<R> | undefined {
    return this.#changes.get(key);
  }

  values(): Iterable<Change<R>> {
    return this.#changes.values();
  }
}

/** What the entries of a transaction are called on their way to another server. */
interface Placeholders {
  /** Names of what is created or found, by the index of the entry. */
  readonly names: ReadonlyMap<number, string>;
  readonly ids: NewIds;
}

/** `Type/id` of what an entry writes; undefined where it has no id yet, or a condition finds it. */
function keyOf({ path }: EntryRequest): string | undefined {
  const [type = '', id] = path;
  return id === undefined ? undefined : keyText({ type, id });
}

function deletedBy(type: string): FhirRefusal {
  return new FhirRefusal(410, 'deleted', `The transaction deletes the ${type}.`);
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

/** With its numbers as they were written. */
function exactOf({ resource, text }: Answered): JsonObject {
  return text === '' ? resource : (parseExact(text) as JsonObject);
}

function asAnswered(resource: Resource): Answered {
  return { resource, text: '' };
}

/** @throws Refusal 412 for a search that does not find exactly one */
async function referred<A>(reads: TransactionReads<A>, reference: string, access: A): Promise<string> {
  const [type = '', condition = ''] = reference.split(/\?(.*)/s);
  const found = await reads.matching(type, condition, access);
  if (!found) throw new FhirRefusal(412, 'not-found', 'A reference by search finds nothing.');
  return `${type}/${found.id}`;
}

function versionOf({ meta }: Resource): JsonObject {
  return {
    ...(meta?.versionId !== undefined && { etag: etag(meta.versionId) }),
    ...(meta?.lastUpdated !== undefined && { lastModified: meta.lastUpdated }),
  };
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
