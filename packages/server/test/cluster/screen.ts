import type { Json } from '../harness.ts';

interface Shown {
  readonly context: Json[];
  versionId: string;
  readonly content: Map<string, Json>;
}

function keyOf(context: readonly Json[]): string {
  const [first] = context;
  if (first?.reference) return first.reference.reference as string;
  return `${first?.resource?.resourceType}/${first?.resource?.id}`;
}

/** What an application shows that follows what it is told: which contexts are open, which is current, what is shared. */
export class Screen {
  readonly #open = new Map<string, Shown>();
  #current: string | undefined;

  apply(event: Json): void {
    const name = event['hub.event'] as string;
    const { context = [] } = event;
    const key = keyOf(context);
    const held = this.#open.get(key);
    if (name === 'Home-open') this.#current = undefined;
    else if (name.endsWith('-open')) {
      this.#open.set(key, { context, versionId: event['context.versionId'], content: held?.content ?? new Map() });
      this.#current = key;
    } else if (name.endsWith('-close')) {
      this.#open.delete(key);
      if (this.#current === key) this.#current = undefined;
    } else if (name.endsWith('-update') && held) {
      held.versionId = event['context.versionId'];
      const bundle = context.find((one: Json) => one.key === 'updates')?.resource;
      for (const { request, resource } of bundle?.entry ?? []) {
        if (request.method === 'PUT') held.content.set(request.url, resource);
        else held.content.delete(request.url);
      }
    }
  }

  /** In the form of `current`. */
  get current(): Json {
    const shown = this.#current === undefined ? undefined : this.#open.get(this.#current);
    if (this.#current === undefined || !shown) return { type: '', context: [] };
    const { context, versionId, content } = shown;
    return { type: this.#current.split('/')[0], versionId, context, content: sorted([...content.values()]) };
  }
}

/** What the Hub's answer about the current context says, in the form of `Screen.current`. */
export function current(answer: Json): Json {
  const type = answer['context.type'];
  if (type === '') return { type, context: answer.context };
  const isContent = ({ key }: Json): boolean => key === 'content';
  const bundle = answer.context.find(isContent)?.resource;
  return {
    type,
    versionId: answer['context.versionId'],
    context: answer.context.filter((one: Json) => !isContent(one)),
    content: sorted((bundle?.entry ?? []).map(({ resource }: Json) => resource)),
  };
}

function sorted(resources: readonly Json[]): Json[] {
  return [...resources].sort((a, b) => (`${a.resourceType}/${a.id}` < `${b.resourceType}/${b.id}` ? -1 : 1));
}
