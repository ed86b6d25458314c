import { isAscii } from 'node:buffer';
import type { Json, JsonObject } from '@lockstep/fhir';
import { isId, isObject } from '@lockstep/fhir/parts';
import type { TextShape } from '@lockstep/fhircast';
import type { UpstreamAddresses } from './addresses.ts';
import { type NotedNames, type ScannedObject, scanPage } from './page-scan.ts';
import { notFhir, readAnswer } from './upstream.ts';

/** An object of a page: an entry, or its resource. */
export interface PageObject {
  member(name: string): Json | undefined;
  /** In the server's own words, with Lockstep's addresses. */
  readonly text: string;
  whole(): JsonObject;
}

/** An entry of a page. */
export interface PageEntry extends Pick<PageObject, 'member'> {
  readonly resource: PageObject | undefined;
  /** Whether the server says that the entry is at this address, in its own words. */
  isAt(path: string): boolean;
}

/** A Bundle that a server answered. */
export interface AnsweredPage extends Pick<PageObject, 'member'> {
  /** What is no object among the entries is undefined. */
  readonly entries: readonly (PageEntry | undefined)[];
}

/** The resources of a Bundle are answered in the server's own words, so their text is kept. */
const PAGE: TextShape = {
  members: new Map([['entry', { items: { members: new Map([['resource', { keep: true }]]) } }]]),
};
/** Characters of a value that is read once for all resources in a row that have the same. */
const MAX_SHARED = 512;

/**
 * Reads a page.
 * @param bytes UTF-8
 * @param noted members of the resources that are looked at
 * @throws Refusal 502 for what is no Bundle, no JSON, nested too deep, or has a name twice in one object
 */
export function readPage(bytes: Buffer, noted: NotedNames, addresses: UpstreamAddresses): AnsweredPage {
  const scanned = scanPage(bytes, noted);
  if (!scanned) return readWhole(addresses.inward(bytes.toString('utf8')), addresses);
  const source = new Source(bytes, noted, addresses);
  const page = new ScannedPart(scanned.bundle, source);
  if (page.member('resourceType') !== 'Bundle') throw notFhir();
  return {
    member: (name) => page.member(name),
    entries: scanned.entries.map((entry) => new ScannedEntry(entry, source)),
  };
}

/** The text of a page, and values in it. Many of its resources have the same, such as their patient. */
class Source {
  readonly noted: NotedNames;
  readonly addresses: UpstreamAddresses;
  readonly #bytes: Buffer;
  /** Of a text in ASCII alone, whose places are those of the bytes. */
  readonly #text: string | undefined;
  /** What was read last of each member, by its name. */
  readonly #last = new Map<string, { readonly text: string; readonly value: Json }>();

  constructor(bytes: Buffer, noted: NotedNames, addresses: UpstreamAddresses) {
    this.#bytes = bytes;
    this.noted = noted;
    this.addresses = addresses;
    this.#text = isAscii(bytes) ? bytes.toString('latin1') : undefined;
  }

  slice(start: number, end: number): string {
    return this.#text === undefined ? this.#bytes.toString('utf8', start, end) : this.#text.slice(start, end);
  }

  /** The id that is a value, where it is a string without escapes. Ids are of one resource each: they are not kept for others. */
  plainId(start: number, end: number): string | undefined {
    const text = this.slice(start, end);
    const id = text.slice(1, -1);
    return text.startsWith('"') && isId(id) ? id : undefined;
  }

  /** The value of a member. One that is written as the member of that name before is the same object. */
  read(name: string, start: number, end: number): Json {
    const last = this.#last.get(name);
    if (last?.text.length === end - start && this.#isAt(last.text, start, end)) return last.value;
    const text = this.slice(start, end);
    const value = JSON.parse(this.addresses.inward(text)) as Json;
    if (text.length === end - start && text.length <= MAX_SHARED) this.#last.set(name, { text, value });
    return value;
  }

  #isAt(text: string, start: number, end: number): boolean {
    return this.#text === undefined ? this.slice(start, end) === text : this.#text.startsWith(text, start);
  }
}

class ScannedPart implements PageObject {
  readonly #part: ScannedObject;
  readonly #source: Source;

  constructor(part: ScannedObject, source: Source) {
    this.#part = part;
    this.#source = source;
  }

  get text(): string {
    return this.#source.addresses.inward(this.#source.slice(this.#part.start, this.#part.end));
  }

  member(name: string): Json | undefined {
    const index = this.#part.indexOf(name);
    if (index < 0) return undefined;
    const [start, end] = [this.#part.startOf(index), this.#part.endOf(index)];
    return (name === 'id' ? this.#source.plainId(start, end) : undefined) ?? this.#source.read(name, start, end);
  }

  whole(): JsonObject {
    return JSON.parse(this.text) as JsonObject;
  }
}

class ScannedResource extends ScannedPart {
  readonly #noted: NotedNames;

  constructor(part: ScannedObject, source: Source) {
    super(part, source);
    this.#noted = source.noted;
  }

  override member(name: string): Json | undefined {
    return this.#noted.has(name) ? super.member(name) : this.whole()[name];
  }
}

class ScannedEntry extends ScannedPart implements PageEntry {
  readonly resource: PageObject | undefined;
  readonly #entry: ScannedObject;
  readonly #source: Source;

  constructor(entry: ScannedObject, source: Source) {
    super(entry, source);
    this.#entry = entry;
    this.#source = source;
    this.resource = entry.resource && new ScannedResource(entry.resource, source);
  }

  isAt(path: string): boolean {
    const index = this.#entry.indexOf('fullUrl');
    if (index < 0) return true;
    const written = this.#source.slice(this.#entry.startOf(index), this.#entry.endOf(index));
    const { upstream } = this.#source.addresses;
    const isUsual =
      written.length === upstream.length + path.length + 2 &&
      written.startsWith(upstream, 1) &&
      written.startsWith(path, upstream.length + 1);
    return isUsual || isAt(this.member('fullUrl'), path, this.#source.addresses);
  }
}

/** Whether an address is that of the path, of a version of it, or says nothing of where it is. */
function isAt(fullUrl: Json | undefined, path: string, addresses: UpstreamAddresses): boolean {
  if (typeof fullUrl !== 'string' || fullUrl.startsWith('urn:')) return true;
  const found = addresses.pathOf(fullUrl);
  return found === path || found?.startsWith(`${path}/_history/`) === true;
}

function readWhole(text: string, addresses: UpstreamAddresses): AnsweredPage {
  const read = readAnswer(text, PAGE);
  const bundle = read.value as Json;
  if (!isObject(bundle) || bundle.resourceType !== 'Bundle') throw notFhir();
  const entries: readonly Json[] = Array.isArray(bundle.entry) ? bundle.entry : [];
  return {
    member: (name) => bundle[name],
    entries: entries.map((entry) => {
      if (!isObject(entry)) return undefined;
      const { resource } = entry;
      return {
        member: (name) => entry[name],
        isAt: (path) => isAt(entry.fullUrl, path, addresses),
        resource: isObject(resource)
          ? { text: read.textOf(resource) ?? '', member: (name) => resource[name], whole: () => resource }
          : undefined,
      };
    }),
  };
}
