import {
  FhirRefusal,
  type IssueType,
  type Json,
  type JsonObject,
  operationOutcome,
  type Resource,
} from '@lockstep/fhir';
import {
  ANY_VERSION,
  type Answered,
  type AnsweredBundle,
  applyJsonPatch,
  type CheckedWrite,
  contentOf,
  type FhirExchange,
  isId,
  isObject,
  type Precondition,
  parseCondition,
  references,
  type SubmittedResource,
  type TransactionForwarder,
  type TransactionWrite,
  validate,
  type WriteDone,
  type WriteTarget,
} from '@lockstep/fhir/parts';
import { type Interaction, isResourceType, type ResourceKey, textOf } from '@lockstep/fhircast';
import type { R4Validator } from '@lockstep/r4';
import type { UpstreamAddresses } from './addresses.ts';
import type { Capabilities, TypeAbilities } from './capabilities.ts';
import { type PageEntry, type PageObject, readPage } from './page.ts';
import { PageJudge } from './page-judge.ts';
import type { PageLinks } from './page-links.ts';
import type { Rights } from './rights.ts';
import { outgoingQuery } from './search-query.ts';
import { notFhir, readAnswer, type Upstream, type UpstreamAnswer } from './upstream.ts';

/** Entries of a Bundle that are looked at: no page is longer. */
const MAX_ENTRIES = 2000;

/** Characters of a search's address: a longer one goes as a form, since servers refuse long addresses. */
const MAX_ADDRESS = 2000;
const FORM = { 'content-type': 'application/x-www-form-urlencoded' };
const ELSEWHERE = 'The FHIR server answered resources of another server: left out.';

/** What a resource of an answer must be allowed by; undefined for one that was not asked for. */
type EntryRule = (key: ResourceKey, mode: Json | undefined) => Interaction | undefined;

/** An entry as it is answered. */
interface AnsweredEntry {
  /** Its JSON, in parts. */
  readonly text: readonly string[];
  readonly resource?: Pick<PageObject, 'whole'>;
  /** The patient whose resource it is. */
  readonly patient?: string | undefined;
}

/** A page that is asked of the server. */
interface AskedPage {
  /** Where its pages belong, such as `Patient`. */
  readonly place: string;
  readonly query: URLSearchParams;
  /** What the client asked, for the self link, where the server is asked something else. */
  readonly used?: URLSearchParams;
  /** The client's own parameters, of which `_page` counts. */
  readonly params: URLSearchParams;
  readonly rights: Rights;
  readonly interactionFor: EntryRule;
  /** Whether what the server counts is what the caller may see. */
  readonly counts: boolean;
  readonly kind?: 'searchset' | 'history';
  /** Of a search: whether the server may leave out what it does not know (R4 3.1.1.3.1). */
  readonly handling?: 'strict' | 'lenient';
  /** What the caller is told beside the answer. */
  readonly note?: JsonObject;
}

/** A write that is allowed, as the server is asked for it: alone, or in a transaction. */
interface Write extends CheckedWrite {
  readonly method: 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Behind the base URL, with the search that it depends on. */
  readonly path: string;
  /** What it depends on. */
  readonly headers: {
    readonly 'if-match'?: string;
    readonly 'if-none-match'?: string;
    readonly 'if-none-exist'?: string;
  };
  readonly type: string;
  /** Of what is written; undefined where the server knows it. */
  readonly id?: string;
  /** A resource, or the operations of a patch, with the numbers as they were written. */
  readonly body?: Json;
  readonly interaction: 'c' | 'u' | 'd';
  /** Of a patch: whether the caller may see what was there and what comes of it. */
  readonly readable: boolean;
  readonly placeholder?: string;
}

/** The resources that a transaction answered are answered in the server's own words. */
const TRANSACTION = {
  members: new Map([['entry', { items: { members: new Map([['resource', { keep: true as const }]]) } }]]),
};
const JSON_PATCH = 'application/json-patch+json';
const ETAG = /^(W\/)?"[A-Za-z0-9\-.]{1,64}"$/;
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/;

export interface ForwardingParts {
  readonly upstream: Upstream;
  readonly capabilities: Capabilities;
  readonly addresses: UpstreamAddresses;
  readonly links: PageLinks;
  readonly validator: R4Validator;
  readonly baseUrl: string;
}

/**
 * FHIR's interactions, passed on to a FHIR R4 server (FHR-3). What a token's scopes narrow is asked of the server and checked in its
 * answer: no answer is trusted, every resource of it is looked at (FHR-2).
 */
export class Forwarding implements FhirExchange<Rights>, TransactionForwarder<Rights, Write> {
  readonly #upstream: Upstream;
  readonly #capabilities: Capabilities;
  readonly #addresses: UpstreamAddresses;
  readonly #links: PageLinks;
  readonly #validator: R4Validator;
  readonly #baseUrl: string;

  constructor({ upstream, capabilities, addresses, links, validator, baseUrl }: ForwardingParts) {
    this.#upstream = upstream;
    this.#capabilities = capabilities;
    this.#addresses = addresses;
    this.#links = links;
    this.#validator = validator;
    this.#baseUrl = baseUrl;
  }

  async read(key: ResourceKey, rights: Rights): Promise<Answered> {
    const { type } = key;
    requireType(type);
    rights.require('r', type);
    await this.#capabilities.require(type, 'read');
    const found = await this.#get(key, rights);
    rights.requireFor('r', found.resource);
    return found;
  }

  /** One version; allowed where both that version and the current one are: a resource may have changed its patient. */
  async vread(key: ResourceKey, version: string, rights: Rights): Promise<Answered> {
    const { type } = key;
    requireType(type);
    rights.require('r', type);
    await this.#capabilities.require(type, 'vread');
    if (!isId(version)) throw notFound(type);
    if (!rights.isWhole('r', type)) rights.requireFor('r', (await this.#get(key, rights)).resource);
    const answer = await this.#ask(`/${type}/${idOf(key)}/_history/${version}`, rights, type);
    const found = this.#resource(answer, key);
    if (found.resource.meta?.versionId !== version) throw notFhir();
    rights.requireFor('r', found.resource);
    return found;
  }

  async history(key: ResourceKey, params: URLSearchParams, rights: Rights): Promise<AnsweredBundle> {
    const { type } = key;
    requireType(type);
    rights.require('r', type);
    await this.#capabilities.require(type, 'history-instance');
    if (!rights.isWhole('r', type)) rights.requireFor('r', (await this.#get(key, rights)).resource);
    const query = new URLSearchParams();
    for (const [name, value] of params) {
      if (name === '_count' || name === '_since') query.append(name, value);
      else if (!['_format', '_pretty', '_page'].includes(name)) throw unknownParameter('A history', name);
    }
    const place = `${type}/${idOf(key)}/_history`;
    const ofVersion: EntryRule = (found) => (found.type === type && found.id === key.id ? 'r' : undefined);
    // A deletion says nothing more: a client that may read the resource may know it.
    return this.#bundle({ place, query, params, rights, interactionFor: ofVersion, counts: true, kind: 'history' });
  }

  async search(type: string, params: URLSearchParams, rights: Rights, lenient = false): Promise<AnsweredBundle> {
    requireType(type);
    rights.require('s', type);
    await this.#capabilities.require(type, 'search-type');
    const outgoing = await outgoingQuery(type, params, lenient, rights, this.#capabilities, this.#validator);
    const ofMatch: EntryRule = (found, mode) => (found.type === type && mode !== 'include' ? 's' : 'r');
    const { counts, used, ignored } = outgoing;
    return this.#bundle({
      place: type,
      query: this.#outward(outgoing.query),
      used,
      params,
      rights,
      interactionFor: ofMatch,
      counts,
      handling: lenient ? 'lenient' : 'strict',
      ...(ignored.length > 0 && { note: ignoredNote(type, ignored) }),
    });
  }

  async everything(id: string, params: URLSearchParams, rights: Rights): Promise<AnsweredBundle> {
    const patient = await this.read({ type: 'Patient', id }, rights);
    const { everything } = await this.#capabilities.require('Patient', 'read');
    if (!everything) throw new FhirRefusal(404, 'not-supported', 'The FHIR server has no $everything.');
    const query = new URLSearchParams();
    for (const [name, value] of params) {
      if (['_count', '_since', '_type', 'start', 'end'].includes(name)) query.append(name, value);
      else if (!['_format', '_pretty', '_page'].includes(name)) throw unknownParameter('$everything', name);
    }
    const place = `Patient/${patient.resource.id}/$everything`;
    return this.#bundle({ place, query, params, rights, interactionFor: () => 'r', counts: rights.isWhole('r', '*') });
  }

  async create(type: string, body: SubmittedResource, condition: string | undefined, rights: Rights) {
    const write = await this.#creation(type, body, condition, rights);
    const answer = await this.#send(write, rights);
    const done = await this.#written(answer, type, undefined);
    requireAllowed(write, done, rights);
    return { ...done, created: answer.status === 201 };
  }

  async #creation(
    type: string,
    body: SubmittedResource,
    condition: string | undefined,
    rights: Rights,
  ): Promise<Write> {
    requireType(type);
    rights.require('c', type);
    const abilities = await this.#capabilities.require(type, 'create');
    const unless =
      condition === undefined ? undefined : await this.#condition(type, condition, 'create', abilities, rights);
    const { id: _id, ...content } = await validate(body, type, this.#validator);
    rights.requireFor('c', content);
    requireFindable(content, rights);
    const headers = unless === undefined ? {} : { 'if-none-exist': unless };
    return { method: 'POST', path: `/${type}`, headers, type, body: content, interaction: 'c', readable: true };
  }

  async update(target: WriteTarget, body: SubmittedResource, precondition: Precondition, rights: Rights) {
    const write = await this.#updating(target, body, precondition, rights);
    const answer = await this.#send(write, rights);
    const done = await this.#written(answer, write.type, write.id);
    requireAllowed(write, done, rights);
    return { ...done, created: answer.status === 201 };
  }

  async #updating(
    target: WriteTarget,
    body: SubmittedResource,
    precondition: Precondition,
    rights: Rights,
  ): Promise<Write> {
    const { type } = target;
    requireType(type);
    rights.require('u', type);
    const abilities = await this.#capabilities.require(type, 'update');
    const content = await validate(body, type, this.#validator);
    const id = 'id' in target ? idOf(target) : undefined;
    if (id !== undefined && content.id !== id)
      throw new FhirRefusal(400, 'invariant', "The body's id must be the one in the address.");
    const path = await this.#writePath(target, 'update', abilities, rights);
    rights.requireFor('u', content);
    requireFindable(content, rights);
    const headers = await this.#guarded(target, precondition, 'u', rights);
    const named = id === undefined ? {} : { id };
    return {
      ...{ method: 'PUT', path, headers, type, ...named, body: content },
      ...{ interaction: 'u', readable: true, result: content },
    };
  }

  async patch(target: WriteTarget, patch: SubmittedResource, precondition: Precondition, rights: Rights) {
    const write = await this.#patching(target, patch, precondition, rights);
    const done = await this.#written(await this.#send(write, rights), write.type, write.id);
    return { ...done, readable: write.readable && rights.allows('r', done.resource) };
  }

  async #patching(
    target: WriteTarget,
    patch: SubmittedResource,
    precondition: Precondition,
    rights: Rights,
  ): Promise<Write> {
    const { type } = target;
    requireType(type);
    rights.require('u', type);
    const abilities = await this.#capabilities.require(type, 'patch');
    const key = 'id' in target ? target : await this.#patched(target, abilities, rights);
    const current = await this.#get(key, rights);
    rights.requireFor('u', current.resource);
    if (precondition.absent) throw new FhirRefusal(412, 'conflict', 'The resource exists already.');
    const version = versionIn(current.resource, precondition);
    const readable = rights.allows('r', current.resource);
    // Done here as well: what comes of it must be allowed before the server does it.
    const changed = contentOf(applyJsonPatch(current.resource, patch.read(), readable), patch.r5);
    const result = await validate(changed, type, this.#validator);
    if (result.id !== key.id) throw new FhirRefusal(400, 'invariant', 'A patch cannot change the id.');
    rights.requireFor('u', result);
    requireFindable(result, rights);
    const headers = { 'if-match': `W/"${version}"` };
    return {
      ...{ method: 'PATCH', path: `/${type}/${idOf(key)}`, headers, type, id: key.id },
      ...{ body: patch.exact(), interaction: 'u', readable, result },
    };
  }

  /** Has the server do one write. @throws Refusal where it does not */
  async #send({ method, path, headers, body, type, interaction }: Write, rights: Rights): Promise<UpstreamAnswer> {
    const answer = await this.#upstream.request({
      method,
      path,
      ...(body !== undefined && { body: this.#addresses.outward(JSON.stringify(body)) }),
      headers: {
        ...headers,
        ...(method !== 'DELETE' && { prefer: 'return=representation' }),
        ...(method === 'PATCH' && { 'content-type': JSON_PATCH }),
      },
    });
    refuseFailure(answer, type, rights.isWhole(interaction, type));
    return answer;
  }

  /** The one resource that a patch by a condition is about. @throws Refusal 404 for none, 412 for several */
  async #patched(
    { type, condition }: { readonly type: string; readonly condition: string },
    abilities: TypeAbilities,
    rights: Rights,
  ): Promise<ResourceKey> {
    await this.#condition(type, condition, 'update', abilities, rights);
    const found = await this.matching(type, condition, rights);
    if (!found) throw notFound(type);
    return { type, id: textOf(found.id) };
  }

  async remove(target: WriteTarget, precondition: Precondition, rights: Rights): Promise<{ version?: string }> {
    const write = await this.#removal(target, precondition, rights);
    if (write) await unlessGone(precondition, () => this.#send(write, rights));
    return {};
  }

  /** @returns undefined where it is known that there is nothing to delete */
  async #removal(target: WriteTarget, precondition: Precondition, rights: Rights): Promise<Write | undefined> {
    const { type } = target;
    requireType(type);
    rights.require('d', type);
    const abilities = await this.#capabilities.require(type, 'delete');
    const path = await this.#writePath(target, 'delete', abilities, rights);
    const headers = await unlessGone(precondition, () => this.#guarded(target, precondition, 'd', rights));
    if (!headers) return undefined;
    const named = 'id' in target ? { id: target.id } : {};
    return { method: 'DELETE', path, headers, type, ...named, interaction: 'd', readable: true };
  }

  async requireTransactions(): Promise<void> {
    if (await this.#capabilities.hasTransactions()) return;
    throw new FhirRefusal(
      400,
      'not-supported',
      'The FHIR server has no transactions: send a batch, or single requests.',
    );
  }

  async check(write: TransactionWrite, rights: Rights): Promise<Write | undefined> {
    if (write.method === 'DELETE') return this.#removal(write.target, write.precondition, rights);
    const { content, placeholder } = write;
    const checked =
      write.method === 'POST'
        ? await this.#creation(write.type, content, write.condition, rights)
        : write.method === 'PUT'
          ? await this.#updating(write.target, content, write.precondition, rights)
          : await this.#patching(write.target, content, write.precondition, rights);
    return { ...checked, ...(placeholder !== undefined && { placeholder }) };
  }

  async requireRead(resource: JsonObject, rights: Rights): Promise<void> {
    rights.require('r', textOf(resource.resourceType));
    rights.requireFor('r', resource);
  }

  /** The one resource that a condition finds. @throws Refusal 412 when it finds several */
  async matching(type: string, condition: string, rights: Rights): Promise<Resource | undefined> {
    const params = parseCondition(condition);
    params.set('_count', '2');
    const { resources, text } = await this.search(type, params, rights);
    const [found, ...more] = resources.filter(({ resourceType }) => resourceType === type);
    const { link } = JSON.parse(text) as { readonly link: readonly { readonly relation: string }[] };
    // What was left out of a page, or stands on the next, may meet the condition too.
    if (more.length > 0 || link.some(({ relation }) => relation === 'next'))
      throw new FhirRefusal(412, 'multiple-matches', 'The condition finds several resources.');
    return found as Resource | undefined;
  }

  async carryOut(writes: readonly Write[], rights: Rights): Promise<readonly WriteDone[]> {
    const entry = writes.map((write) => this.#entryFor(write));
    const answer = await this.#upstream.request({
      method: 'POST',
      path: '',
      body: this.#addresses.outward(JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry })),
      headers: { prefer: 'return=representation' },
    });
    const mayRead = writes.every(({ type }) => rights.isWhole('r', type));
    refuseFailure(answer, 'resource that the transaction needs', mayRead);
    const read = readAnswer(this.#addresses.inward(answer.text), TRANSACTION);
    const bundle = read.value as Json;
    const answered = isObject(bundle) && bundle.type === 'transaction-response' ? bundle.entry : undefined;
    if (!Array.isArray(answered) || answered.length !== writes.length) throw notFhir();
    const done: WriteDone[] = [];
    for (const [index, write] of writes.entries())
      done.push(await this.#entryDone(write, answered[index] as Json, (part) => read.textOf(part), rights));
    return done;
  }

  /** A write as the server reads it in a transaction. */
  #entryFor({ method, path, headers, body, type, id, placeholder }: Write): JsonObject {
    const fullUrl = placeholder ?? (id === undefined ? undefined : `${this.#baseUrl}/${type}/${id}`);
    const data = Buffer.from(this.#addresses.outward(JSON.stringify(body ?? null))).toString('base64');
    const patch = { resourceType: 'Binary', contentType: JSON_PATCH, data };
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, 'if-none-exist': ifNoneExist } = headers;
    return {
      ...(fullUrl !== undefined && method !== 'PATCH' && method !== 'DELETE' && { fullUrl }),
      ...(body !== undefined && { resource: method === 'PATCH' ? patch : body }),
      request: {
        method,
        url: path.slice(1),
        ...(ifNoneMatch !== undefined && { ifNoneMatch }),
        ...(ifMatch !== undefined && { ifMatch }),
        ...(ifNoneExist !== undefined && { ifNoneExist }),
      },
    };
  }

  /** What the server says of one write, held against what it was asked for. @throws Refusal 502 */
  async #entryDone(
    write: Write,
    entry: Json | undefined,
    textIn: (part: JsonObject) => string | undefined,
    rights: Rights,
  ): Promise<WriteDone> {
    const { response, resource } = isObject(entry) ? entry : {};
    if (!isObject(response)) throw notFhir();
    const status = /^2\d\d\b/.exec(textOf(response.status))?.[0];
    if (status === undefined) throw notFhir();
    if (write.method === 'DELETE') {
      const version = /^W\/"([A-Za-z0-9\-.]{1,64})"$/.exec(textOf(response.etag))?.[1];
      return { status: '204', ...(version !== undefined && { version }) };
    }
    const done =
      isObject(resource) && resource.resourceType === write.type
        ? this.#kept(resource, textIn(resource) ?? '', write)
        : await this.#readBack(textOf(response.location), write);
    requireAllowed(write, done, rights);
    const readable = write.readable && (write.method !== 'PATCH' || rights.allows('r', done.resource));
    return { ...done, status: status === '201' ? '201' : '200', readable };
  }

  #kept(resource: JsonObject, text: string, { id }: Write): Answered {
    if ((id !== undefined && resource.id !== id) || !isSound(resource)) throw notFhir();
    return { resource: resource as Resource, text };
  }

  /** What was written, where the server says only where it is: `Patient/1/_history/2`. */
  async #readBack(location: string, { type, id }: Write): Promise<Answered> {
    const path = this.#addresses.pathOf(location) ?? '';
    const made = id ?? /^\/([A-Za-z]+)\/([A-Za-z0-9\-.]{1,64})(\/|$)/.exec(path)?.[2];
    if (made === undefined) throw notFhir();
    const key = { type, id: made };
    return this.#resource(await this.#upstream.request({ method: 'GET', path: `/${type}/${made}` }), key);
  }

  /** Search parameters with the server's addresses. */
  #outward(params: URLSearchParams): URLSearchParams {
    return new URLSearchParams(
      [...params].map(([name, value]): [string, string] => [name, this.#addresses.outward(value)]),
    );
  }

  async #writePath(target: WriteTarget, kind: 'update' | 'delete', abilities: TypeAbilities, rights: Rights) {
    const { type } = target;
    if ('id' in target) return `/${type}/${idOf(target)}`;
    return `/${type}?${await this.#condition(type, target.condition, kind, abilities, rights)}`;
  }

  /**
   * The search that a write depends on. The server finds what it is about: so it is for those alone who may find every resource of
   * the type, and change every one that is there.
   * @throws Refusal 400 where the server knows no such writes, 403
   */
  async #condition(
    type: string,
    condition: string,
    kind: 'create' | 'update' | 'delete',
    abilities: TypeAbilities,
    rights: Rights,
  ): Promise<string> {
    const mayWrite = kind === 'create' || rights.isWhole(kind === 'update' ? 'u' : 'd', type);
    if (!mayWrite || !rights.isWhole('s', type)) {
      throw new FhirRefusal(403, 'forbidden', `A condition needs a token for every ${type}.`);
    }
    if (!abilities.conditional.has(kind)) {
      throw new FhirRefusal(400, 'not-supported', `The FHIR server has no conditional ${kind} of ${type}.`);
    }
    const params = parseCondition(condition);
    const { query } = await outgoingQuery(type, params, false, rights, this.#capabilities, this.#validator);
    return this.#outward(query).toString();
  }

  /**
   * The conditional headers of a write. A caller who may write some resources only may write this one as it was seen to be: the
   * version goes with the write, so that none comes in between.
   */
  async #guarded(key: WriteTarget, precondition: Precondition, interaction: 'u' | 'd', rights: Rights) {
    const { version, absent } = precondition;
    if (!('id' in key) || rights.isWhole(interaction, key.type)) {
      return {
        ...(version !== undefined && { 'if-match': version === ANY_VERSION ? '*' : `W/"${version}"` }),
        ...(absent && { 'if-none-match': '*' }),
      };
    }
    let current: Answered;
    try {
      current = await this.#get(key, rights);
    } catch (error) {
      if (!(error instanceof FhirRefusal) || error.status !== 404 || interaction === 'd') throw error;
      if (version !== undefined) throw new FhirRefusal(412, 'conflict', 'There is no version to match.');
      return { 'if-none-match': '*' };
    }
    rights.requireFor(interaction, current.resource);
    if (absent) throw new FhirRefusal(412, 'conflict', 'The resource exists already.');
    return { 'if-match': `W/"${versionIn(current.resource, precondition)}"` };
  }

  async #get(key: ResourceKey, rights: Rights): Promise<Answered> {
    const { type } = key;
    if (!isId(key.id)) throw notFound(type);
    return this.#resource(await this.#ask(`/${type}/${key.id}`, rights, type), key);
  }

  async #ask(path: string, rights: Rights, type: string): Promise<UpstreamAnswer> {
    const answer = await this.#upstream.request({ method: 'GET', path });
    refuseFailure(answer, type, rights.isWhole('r', type));
    return answer;
  }

  /** The resource of an answer, which must be the one asked for. */
  #resource({ text: written }: UpstreamAnswer, key: ResourceKey): Answered {
    const text = this.#addresses.inward(written);
    const resource = readAnswer(text).value as Json;
    if (!isObject(resource) || resource.resourceType !== key.type || resource.id !== key.id) throw notFhir();
    if (!isSound(resource)) throw notFhir();
    return { resource: resource as Resource, text };
  }

  /** What a write answered: the resource, read again where the server does not say it. */
  async #written(answer: UpstreamAnswer, type: string, id: string | undefined): Promise<Answered> {
    if (answer.bytes.length > 0) {
      const text = this.#addresses.inward(answer.text);
      const resource = readAnswer(text).value as Json;
      if (isObject(resource) && resource.resourceType === type && typeof resource.id === 'string') {
        if ((id !== undefined && resource.id !== id) || !isSound(resource)) throw notFhir();
        return { resource: resource as Resource, text };
      }
    }
    const path = answer.location === undefined ? undefined : this.#addresses.pathOf(answer.location);
    const made = id ?? /^\/[A-Za-z]+\/([A-Za-z0-9\-.]{1,64})(\/|$)/.exec(path ?? '')?.[1];
    if (made === undefined) throw notFhir();
    return this.#resource(await this.#upstream.request({ method: 'GET', path: `/${type}/${made}` }), {
      type,
      id: made,
    });
  }

  /** Asks for a page and keeps of it what is allowed. */
  async #bundle(asked: AskedPage): Promise<AnsweredBundle> {
    const { place, query, used = query, params, rights, counts, kind = 'searchset', handling, note } = asked;
    const page = params.get('_page');
    const first = query.size > 0 ? `/${place}?${query}` : `/${place}`;
    const path = page === null ? first : this.#links.open(rights.holder, place, page);
    const headers = handling === undefined ? undefined : { prefer: `handling=${handling}` };
    const answer = await this.#upstream.request(
      handling !== undefined && page === null && path.length > MAX_ADDRESS
        ? { method: 'POST', path: `/${place}/_search`, body: query.toString(), headers: { ...headers, ...FORM } }
        : { method: 'GET', path, ...(headers && page === null && { headers }) },
    );
    refuseFailure(answer, place.split('/')[0]!, rights.isWhole('s', '*'));
    const found = readPage(answer.bytes, rights.noted, this.#addresses);
    const { entries } = found;
    if (entries.length > MAX_ENTRIES) throw new FhirRefusal(502, 'too-costly', "The FHIR server's page is too long.");
    const kept: AnsweredEntry[] = [];
    let elsewhere = 0;
    const judge = new PageJudge(rights, this.#baseUrl);
    for (const entry of entries) {
      const answered = entry && this.#entry(entry, asked, kind, judge);
      if (answered === 'elsewhere') elsewhere += 1;
      else if (answered) kept.push(answered);
    }
    const total = found.member('total');
    const isTrue = counts && kept.length === entries.length && typeof total === 'number';
    const link = this.#pageLinks(found.member('link'), place, page, used, rights);
    const head = { resourceType: 'Bundle', type: kind, ...(isTrue && { total }), link };
    const notes = [note, elsewhere > 0 ? warning('incomplete', ELSEWHERE) : undefined];
    for (const resource of notes)
      if (resource) kept.push({ text: [JSON.stringify(outcomeEntry(resource))], resource: { whole: () => resource } });
    return bundleOf(head, kept);
  }

  /** An entry with nothing in it but what is known to be right; none where it is not allowed, or of elsewhere. */
  #entry(
    entry: PageEntry,
    { place, interactionFor }: AskedPage,
    kind: 'searchset' | 'history',
    judge: PageJudge,
  ): AnsweredEntry | 'elsewhere' | undefined {
    const { resource } = entry;
    if (kind === 'history' && entry.member('resource') === undefined) {
      const request = entry.member('request');
      if (!isObject(request) || request.method !== 'DELETE') return undefined;
      // R4 3.1.0.13: the address says what was deleted. In the history of one resource it can be no other.
      const past = { method: 'DELETE', url: place.replace(/\/_history$/, '') };
      return { text: [JSON.stringify({ request: past, response: pastResponse(entry.member('response'), '204') })] };
    }
    if (!resource) return undefined;
    const [type, id] = [resource.member('resourceType'), resource.member('id')];
    if (typeof id !== 'string' || !isId(id) || typeof type !== 'string' || !isResourceType(type)) return undefined;
    const path = `/${type}/${id}`;
    // An entry that says it is of another server, or another resource, is not what was asked for.
    if (!entry.isAt(path)) return 'elsewhere';
    const search = kind === 'history' ? undefined : entry.member('search');
    const mode = isObject(search) ? search.mode : undefined;
    const interaction = interactionFor({ type, id }, mode);
    if (interaction === undefined) return undefined;
    const judged = judge.judge(interaction, type, id, resource);
    if (!judged.isAllowed) return undefined;
    const around =
      kind === 'history'
        ? `,"request":${JSON.stringify(pastRequest(entry.member('request'), type, id))},"response":${JSON.stringify(pastResponse(entry.member('response'), '200'))}}`
        : mode === 'include'
          ? ',"search":{"mode":"include"}}'
          : ',"search":{"mode":"match"}}';
    const text = ['{"fullUrl":"', this.#baseUrl, path, '","resource":', resource.text, around];
    return { resource, text, patient: judged.patient };
  }

  /** Links of the page, to Lockstep: the way on, and the way back, are sealed. @throws Refusal 502 for a link that leads elsewhere */
  #pageLinks(
    found: Json | undefined,
    place: string,
    page: string | null,
    used: URLSearchParams,
    rights: Rights,
  ): JsonObject[] {
    const here = `${this.#baseUrl}/${place}`;
    const url = (sealed: string | null): string => {
      const params = new URLSearchParams(sealed === null ? used : undefined);
      if (sealed !== null) params.set('_page', sealed);
      return params.size > 0 ? `${here}?${params}` : here;
    };
    const links: JsonObject[] = [{ relation: 'self', url: url(page) }];
    for (const link of Array.isArray(found) ? found : []) {
      if (
        !isObject(link) ||
        typeof link.url !== 'string' ||
        !['next', 'previous', 'prev'].includes(textOf(link.relation))
      )
        continue;
      const path = this.#addresses.pathOf(link.url, `/${place}`);
      if (path === undefined)
        throw new FhirRefusal(502, 'exception', "The FHIR server's links lead to another server.");
      const relation = link.relation === 'next' ? 'next' : 'previous';
      links.push({ relation, url: url(this.#links.seal(rights.holder, place, path)) });
    }
    return links;
  }
}

/** What the server answers, unless there is nothing to delete: what is not there need not be deleted (R4 3.1.0.7). */
async function unlessGone<T>({ version }: Precondition, run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    const isGone = error instanceof FhirRefusal && (error.status === 404 || error.status === 410);
    if (!isGone) throw error;
    if (version !== undefined) throw new FhirRefusal(412, 'conflict', 'There is no version to match.');
    return undefined;
  }
}

/**
 * A server may take a reference with a query for a search, wherever that begins (`Patient?name=x`, `http://x.example/Patient/?name=x`),
 * and put in what it finds. So such a one is for those alone who may find every resource of the type.
 * @throws Refusal 403
 */
function requireFindable(resource: JsonObject, rights: Rights): void {
  for (const reference of references(resource)) {
    const end = reference.indexOf('?');
    if (end < 0) continue;
    const type = reference.slice(0, end).split('/').filter(Boolean).at(-1) ?? '';
    if (rights.isWhole('s', isResourceType(type) ? type : '*')) continue;
    throw new FhirRefusal(
      403,
      'forbidden',
      'A reference by a search needs a token for every resource that it could find.',
    );
  }
}

/** @throws Refusal 502 where the server answers a write with what the caller may not have written */
function requireAllowed({ method, interaction }: Write, { resource }: Answered, rights: Rights): void {
  // A created resource is the caller's; one that If-None-Exist found was searched for.
  const isFound = method === 'POST' && rights.allows('s', resource);
  // What a patch makes was checked before, and is shown to those alone who may read it.
  if (method !== 'PATCH' && !isFound && !rights.allows(interaction, resource)) throw notFhir();
}

/** Whether what answers are made of, id, version and time, is of the form that R4 gives it. */
function isSound({ id, meta }: JsonObject): boolean {
  if (typeof id !== 'string' || !isId(id)) return false;
  if (meta === undefined) return true;
  if (!isObject(meta)) return false;
  const { versionId, lastUpdated } = meta;
  const isVersion = versionId === undefined || (typeof versionId === 'string' && isId(versionId));
  return isVersion && (lastUpdated === undefined || typeof lastUpdated === 'string');
}

/** A Bundle with its entries, in the words that they were read in. */
function bundleOf(head: JsonObject, entries: readonly AnsweredEntry[]): AnsweredBundle {
  const start = JSON.stringify(head);
  const parts = [start];
  const patients = new Set<string>();
  if (entries.length > 0) parts[0] = `${start.slice(0, -1)},"entry":`;
  let before = '[';
  for (const { text, patient } of entries) {
    parts.push(before, ...text);
    before = ',';
    if (patient !== undefined) patients.add(patient);
  }
  if (entries.length > 0) parts.push(']}');
  // At once: a text that is put together step by step is copied again and again.
  return new ForwardedBundle(parts.join(''), patients, entries);
}

/** By a class: an object that is written with a getter of its own is kept, with all that it knows, until the next major collection. */
class ForwardedBundle implements AnsweredBundle {
  readonly text: string;
  readonly patients: ReadonlySet<string>;
  readonly #entries: readonly AnsweredEntry[];

  constructor(text: string, patients: ReadonlySet<string>, entries: readonly AnsweredEntry[]) {
    this.text = text;
    this.patients = patients;
    this.#entries = entries;
  }

  get resources(): JsonObject[] {
    return this.#entries.flatMap(({ resource }) => (resource ? [resource.whole()] : []));
  }
}

/** What made a version, as a history says it: by the address of the resource, or of its type. */
function pastRequest(request: Json | undefined, type: string, id: string): JsonObject {
  const { method, url } = isObject(request) ? request : {};
  return {
    method: typeof method === 'string' && /^(POST|PUT|PATCH|DELETE)$/.test(method) ? method : 'PUT',
    url: url === type ? type : `${type}/${id}`,
  };
}

/** What was answered then: of the server's words those alone that have the form of a status, a version or a time. */
function pastResponse(response: Json | undefined, usual: string): JsonObject {
  const { status, etag, lastModified } = isObject(response) ? response : {};
  return {
    status: /^\d{3}\b/.exec(textOf(status))?.[0] ?? usual,
    ...(typeof etag === 'string' && ETAG.test(etag) && { etag }),
    ...(typeof lastModified === 'string' && INSTANT.test(lastModified) && { lastModified }),
  };
}

function ignoredNote(type: string, ignored: readonly string[]): JsonObject {
  return warning('not-supported', `The FHIR server cannot search ${type} by ${ignored.join(', ')}: left out.`);
}

function warning(code: IssueType, text: string): JsonObject {
  const { resourceType, issue } = operationOutcome(code, text);
  return { resourceType, issue: issue.map((one) => ({ ...one, severity: 'warning' })) };
}

function outcomeEntry(resource: JsonObject): JsonObject {
  return { resource, search: { mode: 'outcome' } };
}

function requireType(type: string): void {
  if (!isResourceType(type)) throw new FhirRefusal(404, 'not-supported', 'FHIR has no such resource type.');
}

function idOf({ type, id }: ResourceKey): string {
  if (!isId(id)) throw notFound(type);
  return id;
}

function notFound(type: string): FhirRefusal {
  return new FhirRefusal(404, 'not-found', `There is no such ${type}.`);
}

function unknownParameter(what: string, name: string): FhirRefusal {
  return new FhirRefusal(400, 'not-supported', `${what} has no parameter ${name.slice(0, 64)} here.`);
}

/** The version that a write is about. @throws Refusal 412 when the client means another, 403 where the server counts none */
function versionIn(resource: Resource, { version }: Precondition): string {
  const current = resource.meta?.versionId;
  if (typeof current !== 'string' || !isId(current)) {
    throw new FhirRefusal(
      403,
      'not-supported',
      'The FHIR server gives no versions, which this token needs for a change.',
    );
  }
  if (version !== undefined && version !== ANY_VERSION && version !== current) {
    throw new FhirRefusal(412, 'conflict', 'The resource was changed since the version in If-Match; read it again.');
  }
  return current;
}

/** What a server may refuse a request with; every other status says that it is no FHIR server, or failed. */
const ISSUES: Readonly<Record<number, IssueType>> = {
  400: 'processing',
  405: 'not-supported',
  406: 'not-supported',
  409: 'conflict',
  410: 'deleted',
  412: 'conflict',
  413: 'too-long',
  414: 'too-long',
  415: 'not-supported',
  422: 'processing',
};

/**
 * What the server refuses. Its words go on only to who may see everything of the type: they may be about other patients.
 * @throws Refusal
 */
function refuseFailure(answer: UpstreamAnswer, type: string, mayRead: boolean): void {
  const { status } = answer;
  if (status < 400) return;
  if (status === 404) throw notFound(type);
  const issue = ISSUES[status];
  if (!issue) throw new FhirRefusal(502, 'exception', 'The FHIR server failed.');
  const said = mayRead ? diagnosticsOf(answer.text) : undefined;
  throw new FhirRefusal(status, issue, said ?? `The FHIR server refused this with the status ${status}.`);
}

/** Words for programmers of the server: where in its code it failed, files, addresses. */
const INWARD_WORDS = /\bat \S+ ?\(|\b[\w.]*(Exception|Error)\b:?|[a-z]+:\/\/|(^|\s)\/[\w.-]+\/|[A-Z]:\\/;

/** Characters of the server's words that are looked at, and passed on. */
const MAX_SAID = 500;

function diagnosticsOf(text: string): string | undefined {
  try {
    const outcome = readAnswer(text).value as { issue?: { diagnostics?: unknown; details?: { text?: unknown } }[] };
    const said = outcome.issue?.[0]?.diagnostics ?? outcome.issue?.[0]?.details?.text;
    const [whole = ''] = typeof said === 'string' ? said.split(/[\r\n]/, 1) : [];
    const line = whole.slice(0, MAX_SAID);
    return line !== '' && !INWARD_WORDS.test(line) ? line : undefined;
  } catch {
    return undefined;
  }
}
