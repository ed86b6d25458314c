/**
 * How much work a regular expression is: counted in the steps of a matcher that goes back and tries again, as V8's does, so that no
 * clock decides. Some expressions need four times the steps for a text that is twice as long (CWE-1333): a text of a megabyte would
 * then hold the event loop for minutes.
 */
import assert from 'node:assert/strict';

type Node =
  | { readonly kind: 'one'; readonly takes: (letter: string) => boolean }
  | { readonly kind: 'all'; readonly nodes: readonly Node[] }
  | { readonly kind: 'either'; readonly nodes: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly node: Node;
      readonly least: number;
      readonly most: number;
      readonly lazy: boolean;
    }
  | { readonly kind: 'edge'; readonly sign: string }
  | { readonly kind: 'look'; readonly node: Node; readonly behind: boolean; readonly not: boolean }
  | { readonly kind: 'group'; readonly node: Node; readonly number: number }
  | { readonly kind: 'again'; readonly number: number };

/** Letters that texts are made of: those by which the sets of real expressions differ. */
const LETTERS = [...'aAxXfz09_/.-=:;,+*?#%&@!|~$^\'"`<>()[]{}\\ \n\r\té\u0000'];

/** Reads a pattern (ECMA-262 section 22.2.1) as far as the sources use them. */
class Reader {
  readonly #text: string;
  readonly #flags: string;
  #at = 0;
  #groups = 0;

  constructor(pattern: string, flags: string) {
    this.#text = pattern;
    this.#flags = flags.replace(/[gyd]/g, '');
  }

  read(): Node {
    const node = this.#either();
    assert.equal(this.#at, this.#text.length, `cannot read ${this.#text}`);
    return node;
  }

  #take(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    if (found !== undefined) this.#at += found.length;
    return found;
  }

  #either(): Node {
    const nodes = [this.#all()];
    while (this.#take('|')) nodes.push(this.#all());
    return nodes.length === 1 ? nodes[0]! : { kind: 'either', nodes };
  }

  #all(): Node {
    const nodes: Node[] = [];
    while (this.#at < this.#text.length && !'|)'.includes(this.#text[this.#at]!))
      nodes.push(this.#repeated(this.#one()));
    return { kind: 'all', nodes };
  }

  #repeated(node: Node): Node {
    const sign = this.#match(/[*+?]|\{\d+(?:,\d*)?\}/y);
    if (sign === undefined) return node;
    const lazy = this.#take('?');
    if (sign === '?') return { kind: 'repeat', node, least: 0, most: 1, lazy };
    const most = Number.POSITIVE_INFINITY;
    if (!sign.startsWith('{')) return { kind: 'repeat', node, least: sign === '+' ? 1 : 0, most, lazy };
    const [least = '0', bound = least] = sign.slice(1, -1).split(',');
    return { kind: 'repeat', node, least: Number(least), most: bound === '' ? most : Number(bound), lazy };
  }

  #one(): Node {
    const edge = this.#match(/[\^$]|\\[bB]/y);
    if (edge !== undefined) return { kind: 'edge', sign: edge };
    const look = this.#match(/\(\?<?[=!]/y);
    if (look !== undefined)
      return this.#closed({ kind: 'look', node: this.#either(), behind: look.includes('<'), not: look.endsWith('!') });
    if (this.#take('(?:')) return this.#closed(this.#either());
    if (this.#match(/\((?:\?<\w+>)?/y) !== undefined) {
      this.#groups += 1;
      const number = this.#groups;
      return this.#closed({ kind: 'group', node: this.#either(), number });
    }
    const again = this.#match(/\\[1-9]/y);
    if (again !== undefined) return { kind: 'again', number: Number(again[1]) };
    const set =
      this.#match(
        /\[(?:[^\]\\]|\\[\s\S])*\]|\\u\{[\da-f]+\}|\\u[\da-f]{4}|\\x[\da-f]{2}|\\[pP]\{[^}]*\}|\\[\s\S]|[\s\S]/iy,
      ) ?? '';
    const expression = new RegExp(`^${/^[{}\]]$/.test(set) ? `\\${set}` : set}$`, this.#flags);
    const known = new Map<string, boolean>();
    const takes = (letter: string): boolean => {
      const found = known.get(letter) ?? expression.test(letter);
      known.set(letter, found);
      return found;
    };
    return { kind: 'one', takes };
  }

  #closed(node: Node): Node {
    assert.ok(this.#take(')'), `cannot read ${this.#text}`);
    return node;
  }
}

const WORD = /^\w$/;

/** Steps after which counting ends: too many. */
const ENOUGH = 200_000;

class Matcher {
  steps = 0;
  readonly #letters: readonly string[];
  readonly #flags: string;
  readonly #groups: (readonly [number, number] | undefined)[] = [];

  constructor(text: string, flags: string) {
    this.#letters = [...text];
    this.#flags = flags;
  }

  /** Looks for a match at each place, and with the flag `g` for the next ones behind it. */
  search(node: Node): void {
    for (let from = 0; from <= this.#letters.length && this.steps < ENOUGH; from++) {
      let end = -1;
      const found = this.#go(node, from, 1, (at) => {
        end = at;
        return true;
      });
      if (found && !this.#flags.includes('g')) return;
      if (found) from = Math.max(from, end - 1);
      else if (this.#flags.includes('y')) return;
    }
  }

  #go(node: Node, at: number, way: 1 | -1, then: (at: number) => boolean): boolean {
    this.steps += 1;
    if (this.steps > ENOUGH) return true;
    switch (node.kind) {
      case 'one': {
        const letter = this.#letters[way === 1 ? at : at - 1];
        return letter !== undefined && node.takes(letter) && then(at + way);
      }
      case 'all': {
        const { nodes } = node;
        const next = (index: number, place: number): boolean => {
          const one = nodes[way === 1 ? index : nodes.length - 1 - index];
          return one === undefined ? then(place) : this.#go(one, place, way, (after) => next(index + 1, after));
        };
        return next(0, at);
      }
      case 'either':
        return node.nodes.some((one) => this.#go(one, at, way, then));
      case 'repeat':
        return this.#repeat(node, at, way, 0, then);
      case 'edge':
        return this.#isEdge(node.sign, at) && then(at);
      case 'look': {
        const found = this.#go(node.node, at, node.behind ? -1 : 1, () => true);
        return found !== node.not && then(at);
      }
      case 'group':
        return this.#go(node.node, at, way, (end) => {
          const before = this.#groups[node.number];
          this.#groups[node.number] = [Math.min(at, end), Math.max(at, end)];
          if (then(end)) return true;
          this.#groups[node.number] = before;
          return false;
        });
      case 'again': {
        const [from, to] = this.#groups[node.number] ?? [0, 0];
        this.steps += to - from;
        const same = this.#letters.slice(from, to).every((letter, index) => this.#letters[at + index] === letter);
        return same && then(at + to - from);
      }
    }
  }

  #repeat(
    node: Extract<Node, { kind: 'repeat' }>,
    at: number,
    way: 1 | -1,
    count: number,
    then: (at: number) => boolean,
  ): boolean {
    const more = (): boolean =>
      count < node.most &&
      this.#go(
        node.node,
        at,
        way,
        (end) => (end !== at || count < node.least) && this.#repeat(node, end, way, count + 1, then),
      );
    if (count < node.least) return more();
    return node.lazy ? then(at) || more() : more() || then(at);
  }

  #isEdge(sign: string, at: number): boolean {
    const [before, after] = [this.#letters[at - 1], this.#letters[at]];
    const lines = this.#flags.includes('m');
    if (sign === '^') return before === undefined || (lines && before === '\n');
    if (sign === '$') return after === undefined || (lines && after === '\n');
    const isBetween = WORD.test(before ?? '') !== WORD.test(after ?? '');
    return isBetween === (sign === '\\b');
  }
}

/** Sets of single letters in a pattern. */
function* setsIn(node: Node): Iterable<(letter: string) => boolean> {
  if (node.kind === 'one') yield node.takes;
  else if ('nodes' in node) for (const one of node.nodes) yield* setsIn(one);
  else if ('node' in node) yield* setsIn(node.node);
}

/** Letters of which each is told apart from the others by some set of the pattern. */
function lettersThatDiffer(node: Node, pattern: string): readonly string[] {
  const sets = [...setsIn(node)];
  const letters = [...pattern, ...LETTERS];
  return [...new Map(letters.map((letter) => [sets.map((takes) => Number(takes(letter))).join(''), letter])).values()];
}

/** A short text that the node takes. */
function sample(node: Node, letters: readonly string[]): string {
  switch (node.kind) {
    case 'one':
      return letters.find(node.takes) ?? '';
    case 'all':
      return node.nodes.map((one) => sample(one, letters)).join('');
    case 'either':
      return sample(node.nodes[0]!, letters);
    case 'repeat':
      return sample(node.node, letters).repeat(Math.max(node.least, Number.isFinite(node.most) ? 0 : 1));
    case 'group':
      return sample(node.node, letters);
    default:
      return '';
  }
}

/** The repetitions without an end, and what stands before each. */
function* repetitionsIn(node: Node, letters: readonly string[], before = ''): Iterable<readonly [string, Node]> {
  if (node.kind === 'all') {
    let so = before;
    for (const one of node.nodes) {
      yield* repetitionsIn(one, letters, so);
      so += sample(one, letters);
    }
  } else if (node.kind === 'either') {
    for (const one of node.nodes) yield* repetitionsIn(one, letters, before);
  } else if (node.kind === 'repeat') {
    if (node.most === Number.POSITIVE_INFINITY) yield [before, node.node];
    yield* repetitionsIn(node.node, letters, before);
  } else if ('node' in node) yield* repetitionsIn(node.node, letters, before);
}

/** Each of the ways that a node offers. */
function waysOf(node: Node): readonly Node[] {
  if (node.kind === 'either') return node.nodes.flatMap(waysOf);
  if (node.kind === 'group') return waysOf(node.node);
  return node.kind === 'all' && node.nodes.length === 1 ? waysOf(node.nodes[0]!) : [node];
}

/** Texts of any length that may be much work. */
function* longTexts(node: Node, letters: readonly string[]): Iterable<(length: number) => string> {
  for (const [before, repeated] of repetitionsIn(node, letters)) {
    const parts = waysOf(repeated).flatMap((way) => letters.map((one) => sample(way, [one, ...letters])));
    for (const part of new Set(parts)) {
      for (const end of ['', ...letters]) {
        yield (length) => before + part.repeat(length) + end;
        if (before !== '') yield (length) => (before + part).repeat(length) + end;
      }
    }
  }
}

const SHORT = 32;
/** Twice the length is twice the work, and a little. */
const GROWTH = 2.8;

/** @returns the beginning of a text for which the work grows faster than the text; undefined where none was found */
export function slowText(pattern: string, flags: string): string | undefined {
  const node = new Reader(pattern, flags).read();
  const steps = (text: string): number => {
    const matcher = new Matcher(text, flags);
    matcher.search(node);
    return matcher.steps;
  };
  for (const text of longTexts(node, lettersThatDiffer(node, pattern))) {
    const [short, long] = [steps(text(SHORT)), steps(text(2 * SHORT))];
    if (short >= ENOUGH) return text(8);
    // Of the short ones, one may happen to be taken at once.
    if (long > GROWTH * short && steps(text(4 * SHORT)) > GROWTH * long) return text(8);
  }
  return undefined;
}
