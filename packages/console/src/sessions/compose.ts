/** Events made from a form, by the catalog's own definitions. */
import {
  type ContextElement,
  type ContextKey,
  type EventMessage,
  eventDefinition,
  type Resource,
  resourceTypeSpelling,
} from '@lockstep/fhircast';
import { t } from '../language/language.ts';

/** What the form holds for one context key: ids or references, one a line; for bundles and outcomes, JSON or text. */
export type Filled = Readonly<Record<string, string>>;

/** The resource types that a key may hold, the usual one first. */
export function typeOf({ types, key }: ContextKey): string {
  return types[0] ?? resourceTypeSpelling(key) ?? 'Resource';
}

function referenceOf(text: string, type: string): string {
  return text.includes('/') ? text : `${type}/${text}`;
}

function resourceOf(definition: ContextKey, text: string): Resource {
  const type = typeOf(definition);
  if (type === 'OperationOutcome') {
    return { resourceType: type, issue: [{ severity: 'warning', code: 'processing', diagnostics: text }] };
  }
  if (type === 'Parameters') {
    return { resourceType: type, parameter: [{ name: 'code', valueCoding: { code: text } }] };
  }
  if (text.startsWith('{') || text.startsWith('[')) {
    const value: unknown = JSON.parse(text);
    if (type !== 'Bundle') return value as Resource;
    const entry = Array.isArray(value) ? value : [value];
    return {
      resourceType: 'Bundle',
      id: crypto.randomUUID(),
      type: 'transaction',
      entry: entry.map((one: Resource) => ({
        request: { method: 'PUT', url: `${one.resourceType}/${one.id}` },
        resource: one,
      })),
    };
  }
  return { resourceType: type, id: text.split('/').at(-1) ?? text };
}

/** What is wrong with the form, by key. */
export function problemsOf(name: string, filled: Filled): Readonly<Record<string, string>> {
  const definition = eventDefinition(name);
  if (!definition) return { event: t('sessions.noEventHasThisNamePatient') };
  const problems: Record<string, string> = {};
  for (const key of definition.keys) {
    const text = filled[key.key]?.trim() ?? '';
    if (key.min > 0 && text === '') problems[key.key] = t('sessions.neededByThisEvent');
    if (text.startsWith('{') || text.startsWith('[')) {
      try {
        JSON.parse(text);
      } catch {
        problems[key.key] = t('sessions.notJson');
      }
    } else if (typeOf(key) === 'Bundle' && text !== '') problems[key.key] = t('sessions.pasteTheResourcesToShareAs');
  }
  return problems;
}

/** @throws SyntaxError when JSON in it is not valid */
export function compose(topic: string, name: string, filled: Filled, versionId?: string): EventMessage {
  const definition = eventDefinition(name);
  const context = (definition?.keys ?? []).flatMap((key): ContextElement[] => {
    const text = filled[key.key]?.trim() ?? '';
    if (text === '') return [];
    const values = key.max === '*' && !text.startsWith('{') && !text.startsWith('[') ? text.split(/[\s,]+/) : [text];
    return values.map((value) =>
      key.value === 'reference'
        ? { key: key.key, reference: { reference: referenceOf(value, typeOf(key)) } }
        : { key: key.key, resource: resourceOf(key, value) },
    );
  });
  return {
    timestamp: new Date().toISOString(),
    id: crypto.randomUUID(),
    event: {
      'hub.topic': topic,
      'hub.event': definition?.name ?? name,
      ...(definition?.action === 'update' && versionId !== undefined && { 'context.versionId': versionId }),
      context,
    },
  };
}
