/** What an audit record holds of a FHIR search: which parameters, and the values that identify or classify. No names, no texts. */
import { isResourceType } from '@lockstep/fhircast';

/** Parameters of all types that say how to answer. */
const HOW =
  '_id _count _sort _include _revinclude _summary _elements _total _format _pretty _lastUpdated _tag _security _profile _source _type _since';
/** R4's search parameters with identifiers, references, codes and times of what was done. */
const WHAT =
  'identifier patient subject encounter episode-of-care practitioner performer requester author recorder asserter attester ' +
  'organization location device specimen focus part-of based-on basedon result has-member derived-from replaces relates-to ' +
  'condition diagnosis medication context reason-reference imaging-study study series instance accession endpoint ' +
  'code value-concept component-code combo-code category class type status clinical-status verification-status intent ' +
  'priority modality bodysite body-site facility setting format event onset-date recorded-date authored authoredon ' +
  'date effective issued started period occurrence active link general-practitioner service-provider';

const KEPT: ReadonlySet<string> = new Set(`${HOW} ${WHAT}`.split(' '));
/** Modifiers whose values are texts. */
const OF_TEXTS = /^(text|contains|exact|text-advanced|code-text)$/;
/** `Patient/1`. */
const REFERENCE = /^[A-Z][A-Za-z]{1,63}\/[A-Za-z0-9.-]{1,64}$/;
/** R4's modifiers of search parameters, beside resource types. */
const MODIFIERS: ReadonlySet<string> = new Set(
  'missing exact contains text text-advanced code-text not in not-in below above of-type identifier iterate recurse'.split(
    ' ',
  ),
);
const PARAMETER = /^[a-z_][A-Za-z0-9_-]{0,63}$/;
/** Characters of a query that are looked at: addresses are shorter anyway. */
const MOST = 16_384;

/**
 * The query of a search, from its address or its form, with the values of names, addresses, birth dates and all other texts left out;
 * also those that stand where a parameter should, as in `name=Smith&Sons`.
 * @param query without a question mark
 */
export function recordedQuery(query: string): string {
  const recorded = [...new URLSearchParams(query.slice(0, MOST))].map(([name, value]) => {
    const isKnown = isParameter(name) && isKept(name);
    const kept = isKnown || isReference(value) ? value : '';
    const parameter = isKnown || (value !== '' && isParameter(name)) ? name : '';
    return `${encodeURIComponent(parameter)}=${encodeURIComponent(kept)}`;
  });
  return recorded.join('&');
}

/** Whether it is written as a parameter, with a modifier or in a chain: a text in its place is often written in other ways. */
function isParameter(name: string): boolean {
  return name.split('.').every((link) => {
    const [parameter = '', ...more] = link.split(':');
    const isPart = (text: string): boolean => MODIFIERS.has(text) || isResourceType(text);
    return (
      PARAMETER.test(parameter) && more.every((one) => isPart(one) || (parameter === '_has' && PARAMETER.test(one)))
    );
  });
}

function isReference(value: string): boolean {
  return REFERENCE.test(value) && isResourceType(value.split('/', 1)[0] ?? '');
}

/** Of a chain or a reverse chain, the last parameter counts. */
function isKept(name: string): boolean {
  const last = name.split('.').at(-1) ?? '';
  if (last.startsWith('_has:')) return KEPT.has(last.split(':').at(-1) ?? '');
  const [parameter = '', modifier = ''] = last.split(':');
  return KEPT.has(parameter) && !OF_TEXTS.test(modifier);
}
