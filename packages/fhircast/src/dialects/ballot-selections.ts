import { isObject, type JsonObject } from '../messages.ts';
import { type Dialect, type RewrittenEvent, rewritten, unfit } from './dialect.ts';

/** The selected things in one element: `resources`, or a `resource` that is an array; undefined where it is written otherwise. */
function listed(element: JsonObject): readonly unknown[] | undefined {
  if (Array.isArray(element.resources)) return element.resources;
  return Array.isArray(element.resource) ? element.resource : undefined;
}

function selectElements(element: JsonObject, list: readonly unknown[]): readonly JsonObject[] | undefined {
  const { resources, resource, ...rest } = element;
  if (list.length === 0) return [{ ...rest, reference: [] }];
  const elements = list.flatMap((one) => {
    if (!isObject(one)) return [];
    if (typeof one.reference === 'string') return [{ ...rest, reference: one }];
    if (typeof one.resourceType !== 'string' || typeof one.id !== 'string') return [];
    return [{ ...rest, reference: { reference: `${one.resourceType}/${one.id}` } }];
  });
  return elements.length === list.length ? elements : undefined;
}

function incoming(event: JsonObject): RewrittenEvent {
  const { context, 'hub.event': name } = event;
  if (!Array.isArray(context) || typeof name !== 'string' || !/-select$/i.test(name)) return rewritten(event);
  const found: unknown[] = [];
  for (const [index, element] of context.entries()) {
    const list = isObject(element) && element.key === 'select' ? listed(element) : undefined;
    if (!list) {
      found.push(element);
      continue;
    }
    const field = `event.context[${index}].${Array.isArray((element as JsonObject).resources) ? 'resources' : 'resource'}`;
    const ways = ['resources', 'resource', 'reference'].filter((name) => (element as JsonObject)[name] !== undefined);
    if (ways.length > 1) return unfit(field, `the element has "${ways.join('" and "')}": it may have one of them`);
    const elements = selectElements(element as JsonObject, list);
    if (!elements) return unfit(field, 'each must be a resource with "resourceType" and "id", or a reference');
    found.push(...elements);
  }
  return rewritten({ ...event, context: found });
}

/** `{"key": "select", "resources": [ … ]}`, and a `select` whose `resource` is an array: to 3.0.0 one reference each. */
export const ballotSelections: Dialect = {
  name: 'ballotSelections',
  source: 'FHIRcast 3.0.0-ballot, DiagnosticReport-select, 2023 and 2024',
  incoming,
};
