/** What an application shows that does what it is sent, and nothing else. */

interface Shown {
  readonly id: string;
  readonly event: {
    readonly 'hub.event': string;
    readonly context: readonly {
      readonly key: string;
      readonly resource?: {
        readonly resourceType: string;
        readonly id: string;
        readonly entry?: readonly { readonly request: { method: string; url: string }; readonly resource: unknown }[];
      };
      readonly reference?: { readonly reference: string };
    }[];
  };
}

/** Open anchors with their content, and the current one. An event whose id it has seen is a repeat. */
export class Screen {
  readonly open = new Map<string, Map<string, unknown>>();
  current: string | undefined;
  readonly #seen = new Set<string>();

  take(text: string): void {
    const { id, event } = JSON.parse(text) as Shown;
    if (this.#seen.has(id)) return;
    this.#seen.add(id);
    const name = event['hub.event'];
    const [type, action] = name.split('-');
    if (name === 'UserLogout') this.open.clear();
    if (name === 'UserLogout' || name === 'Home-open') this.current = undefined;
    else if (action === 'update') this.#update(event.context);
    else if (action === 'open' || action === 'close') {
      const anchor = event.context.find(({ resource }) => resource?.resourceType === type)?.resource;
      this.#show(`${type}/${anchor?.id}`, action === 'open');
    }
  }

  #update(context: Shown['event']['context']): void {
    const content = this.open.get(context[0]?.reference?.reference ?? '');
    for (const { request, resource } of context.find(({ key }) => key === 'updates')?.resource?.entry ?? []) {
      if (request.method === 'PUT') content?.set(request.url, resource);
      else content?.delete(request.url);
    }
  }

  #show(name: string, isOpen: boolean): void {
    if (isOpen) {
      this.open.set(name, this.open.get(name) ?? new Map());
      this.current = name;
    } else {
      this.open.delete(name);
      if (this.current === name) this.current = undefined;
    }
  }
}
