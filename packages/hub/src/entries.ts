import type { LogEntry } from '@lockstep/store';
import { Delivery } from './delivery.ts';
import type { Accepted } from './session.ts';

/** An accepted event on its way out; this is the one time that it is made into JSON. */
export function toDelivery({ number, message, except }: Accepted): Delivery {
  const name = message.event['hub.event'];
  const text = JSON.stringify(message);
  return new Delivery({
    number,
    id: message.id,
    name,
    text,
    message,
    ...(except === undefined ? undefined : { except }),
  });
}

/** The log keeps a line of facts about an event, then the event as it goes out. */
export function toEntry({ number, id, name, except, text }: Delivery, at: number): LogEntry {
  const facts = { name, ...(except === undefined ? undefined : { except }) };
  return { number, id, at, body: `${JSON.stringify(facts)}\n${text}` };
}

/** Reads a log entry back; the event itself stays text until somebody looks into it. */
export function fromEntry({ number, id, body }: LogEntry): Delivery {
  const end = body.indexOf('\n');
  const facts = JSON.parse(body.slice(0, end)) as { name: string; except?: string };
  return new Delivery({ number, id, text: body.slice(end + 1), ...facts });
}
