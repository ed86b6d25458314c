/** Elements that a narrative may have (http://hl7.org/fhir/R4/narrative.html), and some of HTML's that only change how text looks. */
const ELEMENTS = new Set(
  (
    'a abbr acronym address area b bdo big blockquote br caption center cite code col colgroup dd del dfn div dl dt em font ' +
    'h1 h2 h3 h4 h5 h6 hr i img ins kbd li map ol p pre q s samp small span strike strong sub sup table tbody td tfoot th ' +
    'thead tr tt u ul var'
  ).split(' '),
);
/** Attributes that hold an address. */
const ADDRESSES = new Set(['href', 'src', 'cite', 'longdesc', 'background', 'action', 'formaction', 'usemap']);
/** Addresses that a browser runs nothing of: of a scheme named here, or without one. */
const HARMLESS = /^(https?:|mailto:|tel:|urn:|data:image\/(png|jpe?g|gif|webp)[;,]|[^:]*$|[^:]*[/?#])/i;

/**
 * A comment or a tag of XML that begins at this place; quoted values may hold `>`. What else a reader of HTML may take for a comment or a
 * tag, such as `<!-->` or a value without quotes, it may end elsewhere than a reader of XML: there is no match. It never takes long.
 */
const MARKUP =
  /<!--(?!-?>)(?:(?!--)[\s\S])*-->|<\/?([A-Za-z][\w.:-]*)((?:[ \t\r\n]+[A-Za-z_:][\w.:-]*[ \t\r\n]*=[ \t\r\n]*(?:"[^"]*"|'[^']*'))*)[ \t\r\n]*\/?>/y;
const ATTRIBUTE = /(?<![\w.:-])([\w.:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/**
 * What a narrative has that no narrative may have: elements, attributes and addresses by which a page that shows it would do something
 * else than show text (CWE-79; R4's invariant txt-1).
 * @returns the words for its sender; undefined where there is nothing of that
 */
export function narrativeProblem(xhtml: string): string | undefined {
  for (let at = xhtml.indexOf('<'); at >= 0; at = xhtml.indexOf('<', MARKUP.lastIndex)) {
    MARKUP.lastIndex = at;
    const found = MARKUP.exec(xhtml);
    if (!found) return 'must be well-formed XHTML';
    const [, element, attributes = ''] = found;
    if (element === undefined) continue;
    if (!ELEMENTS.has(element.toLowerCase())) return 'must hold no other elements than those of basic HTML text';
    for (const [, name = '', inDouble, inSingle] of attributes.matchAll(ATTRIBUTE)) {
      const problem = attributeProblem(name.toLowerCase(), inDouble ?? inSingle ?? '');
      if (problem) return problem;
    }
  }
  return undefined;
}

function attributeProblem(name: string, value: string): string | undefined {
  const local = name.slice(name.indexOf(':') + 1);
  if (local.startsWith('on') || local === 'srcdoc' || local === 'srcset')
    return 'must have no attributes that run scripts';
  if (ADDRESSES.has(local) && !HARMLESS.test(addressOf(value))) return 'must have no addresses that run scripts';
  if (local === 'style' && /expression|javascript:|@import|behaviou?r\s*:/i.test(addressOf(value)))
    return 'must have no styles that run scripts';
  return undefined;
}

/** An address as a browser reads it: character references are resolved, white space and control characters are left out. */
function addressOf(value: string): string {
  return (
    value
      .replace(/&#x([\da-f]+);?/gi, (_, digits: string) => characterOf(Number.parseInt(digits, 16)))
      .replace(/&#(\d+);?/g, (_, digits: string) => characterOf(Number(digits)))
      .replace(/&colon;/gi, ':')
      .replace(/&(tab|newline);/gi, '')
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what browsers leave out
      .replace(/[\u0000-\u0020\u007f-\u00a0]/g, '')
  );
}

function characterOf(code: number): string {
  return code <= 0x10ffff ? String.fromCodePoint(code) : '';
}
