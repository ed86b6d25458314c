/** A piece of HTML: only `html` makes one, and it escapes whatever is put in. */
export class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

type Piece = Html | string | number | undefined | false | readonly Piece[];

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

function render(piece: Piece): string {
  if (piece === undefined || piece === false) return '';
  if (piece instanceof Html) return piece.toString();
  if (typeof piece === 'string') return piece.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '');
  if (typeof piece === 'number') return String(piece);
  return piece.map(render).join('');
}

/** Builds HTML. Values are escaped unless they are HTML already; `undefined` and `false` leave nothing (CWE-79). */
export function html(parts: TemplateStringsArray, ...values: readonly Piece[]): Html {
  return new Html(parts.reduce((text, part, index) => text + part + render(values[index]), ''));
}
