import { type EventName, type Handled, type HubEvent, Subscriber, type SyncState } from '@lockstep/client';
import { eventKey, isObject, STANDARD_EVENTS } from '@lockstep/fhircast';
import { type AnswerRule, answerFor, readAnswers, tappedSocket } from '../answers.ts';
import { type Call, CliError, type Command, EXIT } from '../command.ts';
import { eventLine, stateLine } from '../event-text.ts';
import { askHub, findTopic, HUB_OPTIONS, type HubAccess, reachHub } from '../hub-access.ts';

/** Names that were asked for: any may be, and the Hub says which it grants. */
function askedEvents(values: Call['values']): readonly string[] {
  return values.list('events').flatMap((one) => one.split(',').flatMap((name) => name.trim() || []));
}

/** What a Hub says that it has; only Lockstep is known to take `*`. */
async function allEvents(access: HubAccess): Promise<readonly string[]> {
  if (access.local) return ['*'];
  const configuration = await askHub(access, '/.well-known/fhircast-configuration').catch(() => undefined);
  const supported = isObject(configuration) ? configuration.eventsSupported : undefined;
  const names = Array.isArray(supported) ? supported.filter((one): one is string => typeof one === 'string') : [];
  return names.length > 0 ? names : STANDARD_EVENTS;
}

/** What a handler returns for a rule. */
function handled(rule: AnswerRule): Handled | Promise<Handled> {
  if (rule.afterMs === 0) return rule.status;
  return new Promise((resolve) => setTimeout(() => resolve(rule.status), rule.afterMs));
}

/** An event as it went over the wire, as far as the client library keeps it. */
function message(event: HubEvent, topic: string): object {
  return {
    ...(Number.isNaN(event.time) ? {} : { timestamp: new Date(event.time).toISOString() }),
    id: event.id,
    event: {
      'hub.topic': topic,
      'hub.event': event.name,
      ...(event.versionId !== undefined && { 'context.versionId': event.versionId }),
      ...(event.priorVersionId !== undefined && { 'context.priorVersionId': event.priorVersionId }),
      context: event.elements,
    },
  };
}

export const listen: Command = {
  name: 'listen',
  summary: 'Subscribe to a session and show what happens in it',
  details: `Reconnects, renews its lease and says whether it is in sync, as every application with the client library does.
With --json each line is an object: {"kind": "state" | "event", ...}; with --raw, each frame as it came.
--answer says what to answer the Hub: a status, "none", or a status after some milliseconds (202, 409, 200/1500); for one
event only, as Patient-open=409. The most specific one counts.`,
  options: {
    events: {
      type: 'string',
      short: 'e',
      value: 'LIST',
      multiple: true,
      help: 'events to receive, separated by commas; all that the Hub has',
    },
    name: { type: 'string', value: 'NAME', help: 'subscriber.name; lockstep listen' },
    answer: { type: 'string', short: 'a', value: 'ANSWER', multiple: true, help: 'what to answer; 200' },
    count: { type: 'string', short: 'n', value: 'N', help: 'end after this many events' },
    timeout: {
      type: 'string',
      value: 'SECONDS',
      help: 'end after this time; with --count unreached, that is a failure',
    },
    lease: { type: 'string', value: 'SECONDS', help: 'hub.lease_seconds to ask for; 7200' },
    raw: { type: 'boolean', help: 'show every frame as it came, confirmations too' },
    ...HUB_OPTIONS,
  },
  examples: [
    { line: 'lockstep listen', means: "the local server's only session, all events" },
    {
      line: 'lockstep listen --user lokafor -e Patient-open,Patient-close --json',
      means: "a user's session, as JSON lines",
    },
    { line: 'lockstep listen -a 202 -a Patient-open=409', means: 'accept later, but refuse patients' },
    {
      line: 'lockstep listen --hub https://hub.example.com/hub --topic T --client-id ID --key key.json --smart https://ehr.example.com/fhir',
      means: "another maker's Hub, as a backend client",
    },
  ],
  async run(call) {
    const { values, terminal, signal } = call;
    const rules = readAnswers(values.list('answer'));
    const [count, timeout, lease] = [values.number('count'), values.number('timeout'), values.number('lease')];
    const raw = values.flag('raw');
    terminal.progress('connecting');
    const access = await reachHub(call);
    const topic = await findTopic(call, access);
    const { token } = access;
    if (token) await token(false);
    const given = askedEvents(values);
    const events = given.length > 0 ? given : await allEvents(access);
    const asked = new Set(events.map(eventKey));

    let seen = 0;
    let refused: string | undefined;
    let away: string | undefined = 'the Hub cannot be reached';
    const ended = new AbortController();
    /** Ids of events that get no answer. */
    const silent = new Set<string>();
    const Socket = tappedSocket({
      frame: (text) => {
        if (raw) terminal.raw(`${text}\n`);
      },
      answers: (text) => {
        const parsed: unknown = JSON.parse(text);
        return !(isObject(parsed) && typeof parsed.id === 'string' && silent.has(parsed.id));
      },
    });
    const subscriber = new Subscriber({
      hubUrl: access.hubUrl,
      topic,
      events: events as readonly EventName[],
      name: values.text('name') ?? 'lockstep listen',
      ...(token && { token }),
      ...(lease !== undefined && { leaseSeconds: lease }),
      onError: (error) => terminal.note(String(error)),
      ports: { WebSocket: Socket },
    });
    subscriber.on('*', (event) => {
      // The library asks for more than was asked for here, to know where it stands.
      if (!asked.has('*') && !asked.has(eventKey(event.name))) return true;
      const rule = answerFor(rules, event.name);
      if (rule.status === undefined) silent.add(event.id);
      if (!raw) {
        const derived = event.derived ? { derived: true } : {};
        terminal.item({ kind: 'event', ...derived, ...message(event, topic) }, () => eventLine(event, rule, terminal));
      }
      seen += 1;
      if (count !== undefined && seen >= count) setImmediate(() => ended.abort());
      return handled(rule);
    });
    subscriber.onState((state: SyncState) => {
      if (!raw) terminal.item({ kind: 'state', ...state }, () => stateLine(state, terminal));
      if (state.status !== 'connecting') away = undefined;
      else if (away !== undefined && state.reason !== undefined) away = `the Hub cannot be reached: ${state.reason}`;
      if (state.status === 'closed' && !ended.signal.aborted && !signal.aborted) {
        refused = state.reason;
        ended.abort();
      }
    });
    void subscriber.connect();
    const until = [signal, ended.signal, ...(timeout === undefined ? [] : [AbortSignal.timeout(timeout * 1000)])];
    const end = AbortSignal.any(until);
    if (!end.aborted) await new Promise((resolve) => end.addEventListener('abort', resolve, { once: true }));
    // The other applications must not be alarmed by its end.
    ended.abort();
    const unreached = away;
    await subscriber.unsubscribe();
    if (refused !== undefined) throw new CliError(EXIT.refused, refused);
    if (unreached !== undefined && !signal.aborted) throw new CliError(EXIT.unreachable, unreached);
    if (count !== undefined && seen < count && !signal.aborted) {
      throw new CliError(EXIT.failed, `${seen} of ${count} events came within ${timeout} s`);
    }
    return EXIT.done;
  },
};
