/**
 * Loaded before a program (`--import`): notes which functions of the product's files run, and from where they are called, in each thread
 * of the program. Getters are left out: to read a property is no step.
 */
import { registerHooks } from 'node:module';
import { BroadcastChannel } from 'node:worker_threads';
import ts from 'typescript-5';

/** One function that began, or went on after it had waited. */
export interface Step {
  /** `hub/live/live-session.ts#decide`. */
  readonly name: string;
  /** How deep it is in the calls under way: 1 for what Node itself calls. */
  readonly depth: number;
  readonly goesOn?: true;
}

interface Call {
  readonly name: string;
}

/** What threads say to each other: `begin` and `take` ask, the rest answers. */
export type Said =
  | { readonly say: 'begin' | 'take' }
  | { readonly say: 'begun'; readonly thread: string }
  | { readonly say: 'taken'; readonly thread: string; readonly steps: readonly Step[] };

export const CHANNEL = 'calls of the product';

const PRODUCT = /\/packages\/([a-z0-9-]+\/)src\/(.+)\.ts$/;

/** The calls of one thread. */
export class Calls {
  readonly #stack: Call[] = [];
  #steps: Step[] | undefined;
  #until: string | undefined;

  /** @param until the function whose beginning ends what is noted */
  begin(until?: string): void {
    this.#steps = [];
    this.#until = until;
  }

  take(): readonly Step[] {
    const steps = this.#steps ?? [];
    this.#steps = undefined;
    this.#until = undefined;
    return steps;
  }

  enter(name: string): Call {
    const call = { name };
    this.#stack.push(call);
    if (name === this.#until) this.#until = '';
    if (this.#until !== '') this.#steps?.push({ name, depth: this.#stack.length });
    return call;
  }

  leave(call: Call): void {
    const at = this.#stack.lastIndexOf(call);
    if (at >= 0) this.#stack.length = at;
  }

  /** Before `await`: what runs next is not called from here. */
  wait<T>(call: Call, value: T): T {
    this.leave(call);
    return value;
  }

  goOn<T>(call: Call, value: T): T {
    this.#stack.push(call);
    if (this.#until !== '') this.#steps?.push({ name: call.name, depth: this.#stack.length, goesOn: true });
    return value;
  }
}

function nameOf(node: ts.Node): string {
  const { name } = node as ts.Node & { readonly name?: ts.Node };
  const given = name ?? (node.parent as ts.Node & { readonly name?: ts.Node }).name;
  return given?.getText() ?? '';
}

/** The source with a note at the beginning, at each wait and at the end of its functions; generators are left as they are. */
function noting(file: string, source: string): string {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const added: { readonly at: number; readonly text: string }[] = [];
  const add = (at: number, text: string): void => void added.push({ at, text });
  const visit = (node: ts.Node, isNoted: boolean): void => {
    const body = ts.isFunctionLike(node) && 'body' in node ? (node.body as ts.Node | undefined) : undefined;
    if (body) {
      const isGenerator = (node as ts.FunctionDeclaration).asteriskToken !== undefined;
      const isNotedHere = !isGenerator && !ts.isGetAccessor(node);
      const begin = `const $call=globalThis.$calls.enter(${JSON.stringify(`${file}#${nameOf(node)}`)});try{`;
      const end = '}finally{globalThis.$calls.leave($call)}';
      if (isNotedHere)
        add(ts.isBlock(body) ? body.getStart() + 1 : body.getStart(), ts.isBlock(body) ? begin : `{${begin}return (`);
      ts.forEachChild(node, (child) => visit(child, isNotedHere));
      if (isNotedHere) add(ts.isBlock(body) ? body.getEnd() - 1 : body.getEnd(), ts.isBlock(body) ? end : `)${end}}`);
    } else if (ts.isAwaitExpression(node) && isNoted) {
      add(node.getStart(), 'globalThis.$calls.goOn($call,');
      add(node.expression.getStart(), 'globalThis.$calls.wait($call,(');
      ts.forEachChild(node, (child) => visit(child, isNoted));
      add(node.expression.getEnd(), '))');
      add(node.getEnd(), ')');
    } else ts.forEachChild(node, (child) => visit(child, isNoted));
  };
  visit(tree, false);
  let [text, from] = ['', 0];
  // What was added first at a place stands first there.
  for (const { at, text: more } of added.toSorted((a, b) => a.at - b.at)) {
    text += source.slice(from, at) + more;
    from = at;
  }
  return text + source.slice(from);
}

const calls = new Calls();
Object.assign(globalThis, { $calls: calls });

/** The first file of the product that this thread runs. */
let thread: string | undefined;
const channel = new BroadcastChannel(CHANNEL);
channel.unref();
channel.onmessage = (event) => {
  const { data } = event as unknown as { readonly data: Said };
  if (thread === undefined) return;
  if (data.say === 'begin') {
    calls.begin();
    channel.postMessage({ say: 'begun', thread } satisfies Said);
  } else if (data.say === 'take') channel.postMessage({ say: 'taken', thread, steps: calls.take() } satisfies Said);
};

registerHooks({
  load(url, context, next) {
    const loaded = next(url, context);
    const [, folder, file] = PRODUCT.exec(url) ?? [];
    if (folder === undefined || file === undefined) return loaded;
    thread ??= `${folder}${file}.ts`;
    return { ...loaded, source: noting(`${folder}${file}.ts`, String(loaded.source)) };
  },
});
