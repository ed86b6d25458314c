/** API references in Markdown, made from the declarations that the compiler emits and the doc comments in them. */

interface Declaration {
  readonly name: string;
  /** The doc comment's text. */
  readonly comment: string;
  readonly code: string;
}

const NAME = /^export (?:declare )?(?:abstract )?(?:const|class|function|interface|type) ([A-Za-z0-9_$]+)/;

/** Brackets opened and not closed in a line, strings and comments left out. */
function depthOf(line: string): number {
  const code = line
    .replace(/\/\*\*?.*?\*\//g, '')
    .replace(/'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`/g, '')
    .replace(/=>/g, '');
  let depth = 0;
  for (const one of code) {
    if ('{([<'.includes(one)) depth += 1;
    else if ('})]>'.includes(one)) depth -= 1;
  }
  return depth;
}

/** The text of a doc comment, without its frame. */
function commentText(lines: readonly string[]): string {
  return lines
    .map((line) =>
      line
        .trim()
        .replace(/^\/\*\*\s?/, '')
        .replace(/\s*\*\/$/, '')
        .replace(/^\* ?/, ''),
    )
    .join('\n')
    .trim();
}

/** Takes a declaration file apart at its top level. */
function declarations(text: string): Declaration[] {
  const found: Declaration[] = [];
  let comment: string[] = [];
  let code: string[] = [];
  let depth = 0;
  let commenting = false;
  for (const line of text.split('\n')) {
    if (code.length === 0 && (commenting || line.startsWith('/**'))) {
      if (!commenting) comment = [];
      comment.push(line);
      commenting = !line.includes('*/');
      continue;
    }
    if (code.length === 0 && line.trim() === '') continue;
    code.push(line);
    // Comments of members hold text, not code.
    if (!/^\s*(\/\*\*|\*)/.test(line)) depth += depthOf(line);
    if (depth > 0 || !/[;}]\s*$/.test(line)) continue;
    const name = NAME.exec(code.join('\n'))?.[1];
    if (name !== undefined) found.push({ name, comment: commentText(comment), code: code.join('\n') });
    comment = [];
    code = [];
    depth = 0;
  }
  return found;
}

/** The declaration as readers need it: what is private is not theirs. */
function publicCode(code: string): string {
  return code
    .replace(/^export (declare )?/gm, '')
    .replace(/^ {4}#private;\n/gm, '')
    .replace(/^ {4}private constructor\(\);\n/gm, '')
    .replaceAll('    ', '  ');
}

/** `@param`, `@returns` and `@throws` as a list. */
function prose(comment: string): string {
  const [text = '', ...tags] = comment.split(/\n?(?=@(?:param|returns|throws)\b)/);
  const items = tags.map((tag) => {
    const [, kind = '', rest = ''] = /^@(\w+)\s*([\s\S]*)$/.exec(tag) ?? [];
    const flat = rest.replace(/\s*\n\s*/g, ' ');
    if (kind === 'param') return `- ${flat.replace(/^(\S+)/, '`$1`:')}`;
    return `- ${kind}: ${flat}`;
  });
  return [text.trim(), items.join('\n')].filter((one) => one !== '').join('\n\n');
}

/** Names that an entry module exports, with the module each comes from; `*` for all of one. */
function exportsOf(entry: string): [module: string, names: readonly string[] | '*'][] {
  const found: [string, readonly string[] | '*'][] = [];
  for (const [, list, module = ''] of entry.matchAll(/export (?:type )?(\*|\{[^}]*\}) from '\.\/([^']+)\.ts'/g)) {
    const names = (list ?? '')
      .replace(/[{}]/g, '')
      .split(',')
      .flatMap((one) => one.trim().replace(/^type /, '') || []);
    found.push([module, list === '*' ? '*' : names]);
  }
  return found;
}

export interface ApiSource {
  /** How programs import it: `@lockstep/client`. */
  readonly specifier: string;
  /** The entry module's source, or that of a module that is its own entry. */
  readonly entry: string;
  /** Name of the entry module, without `.ts`. */
  readonly module: string;
  /** The compiler's declarations of a module. */
  readonly declarationsOf: (module: string) => string;
}

/** The reference of one package. */
export function apiPage(title: string, introduction: string, sources: readonly ApiSource[]): string {
  const parts: string[] = [`# ${title}\n\n${introduction}\n\nMade from the doc comments by \`npm run docs\`.\n`];
  for (const { specifier, entry, module, declarationsOf } of sources) {
    const listed = exportsOf(entry);
    const modules = listed.length > 0 ? listed : [[module, '*'] as const];
    parts.push(`## ${specifier}\n`);
    for (const [from, names] of modules) {
      const known = declarations(declarationsOf(from));
      const wanted = names === '*' ? known : known.filter(({ name }) => names.includes(name));
      for (const { name, comment, code } of wanted) {
        const text = prose(comment);
        parts.push(`### ${name}\n${text === '' ? '' : `\n${text}\n`}\n\`\`\`ts\n${publicCode(code)}\n\`\`\`\n`);
      }
    }
  }
  return parts.join('\n');
}
