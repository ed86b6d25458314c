/** Writes the addresses of the server behind Lockstep's, and back. Clients need not know the server's. */
export class UpstreamAddresses {
  /** Base URL of the server behind Lockstep. */
  readonly upstream: string;
  readonly #own: string;
  readonly #bases: readonly URL[];
  /** A part of the base URL that every text with it holds, however its slashes are written. */
  readonly #host: string;
  readonly #upstreamAnywhere: RegExp;
  readonly #ownAnywhere: RegExp;

  /** @param upstream base URL of the server behind Lockstep @param own base URL of Lockstep's endpoint */
  constructor(upstream: string, own: string) {
    this.upstream = upstream;
    this.#own = own;
    this.#bases = [new URL(upstream), new URL(own)];
    this.#host = upstream.split('/')[2] ?? upstream;
    this.#upstreamAnywhere = anywhere(upstream);
    this.#ownAnywhere = anywhere(own);
  }

  /** A JSON text of the server's for Lockstep's clients. */
  inward(text: string): string {
    if (!text.includes(this.#host)) return text;
    return text.replace(this.#upstreamAnywhere, () => this.#own);
  }

  /** A text of a client's for the server. */
  outward(text: string): string {
    if (!text.includes(this.#own)) return text;
    return text.replace(this.#ownAnywhere, () => this.upstream);
  }

  /**
   * The path and query behind the base URL, of an address of the server, written by it or already as Lockstep's. A relative one is
   * relative to the base URL, as FHIR's references are; one that has a query only, to `page`.
   * @param page path behind the base URL, such as `/Patient`
   * @returns undefined for an address that leads elsewhere
   */
  pathOf(url: string, page = ''): string | undefined {
    if (url === '') return undefined;
    const found = URL.parse(url, this.upstream + (url.startsWith('?') ? page : '/'));
    if (found?.username !== '' || found.password !== '') return undefined;
    for (const { origin, pathname } of this.#bases) {
      const folder = pathname.replace(/\/$/, '');
      const rest = found.pathname.startsWith(folder) ? found.pathname.slice(folder.length) : undefined;
      if (found.origin === origin && (rest === '' || rest?.startsWith('/'))) return rest + found.search;
    }
    return undefined;
  }
}

/** A base URL wherever it stands whole, not as the beginning of another. JSON may have a backslash before each slash. */
function anywhere(base: string): RegExp {
  const escaped = base.replace(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('/', '\\\\?/');
  return new RegExp(`${escaped}(?=\\\\?[/?"#])`, 'g');
}
