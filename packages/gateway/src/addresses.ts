/** Writes the addresses of the server behind Lockstep's, and back. Clients need not know the server's. */
export class UpstreamAddresses {
  readonly #upstream: string;
  readonly #own: string;
  readonly #upstreamAnywhere: RegExp;
  readonly #ownAnywhere: RegExp;

  /** @param upstream base URL of the server behind Lockstep @param own base URL of Lockstep's endpoint */
  constructor(upstream: string, own: string) {
    this.#upstream = upstream;
    this.#own = own;
    this.#upstreamAnywhere = anywhere(upstream);
    this.#ownAnywhere = anywhere(own);
  }

  /** A text of the server's for Lockstep's clients. */
  inward(text: string): string {
    if (!text.includes(this.#upstream)) return text;
    return text.replace(this.#upstreamAnywhere, () => this.#own);
  }

  /** A text of a client's for the server. */
  outward(text: string): string {
    if (!text.includes(this.#own)) return text;
    return text.replace(this.#ownAnywhere, () => this.#upstream);
  }

  /**
   * The path and query behind the base URL, of an address of the server, written by it or already as Lockstep's.
   * @returns undefined for an address that leads elsewhere
   */
  pathOf(url: string): string | undefined {
    for (const base of [this.#upstream, this.#own]) {
      const rest = url.startsWith(base) ? url.slice(base.length) : undefined;
      if (rest !== undefined && /^[/?]/.test(rest) && !/[\s\\#]|\.\.(\/|$)/.test(rest)) return rest;
    }
    return undefined;
  }
}

/** A base URL wherever it stands whole: not as the beginning of another. */
function anywhere(base: string): RegExp {
  return new RegExp(`${base.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')}(?=[/?"#])`, 'g');
}
