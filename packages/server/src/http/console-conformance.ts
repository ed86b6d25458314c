/**
 * The conformance suite for administrators in the console: start, watch, answer, cancel, take the report along. A run makes
 * requests to the address that the administrator names, wherever that is (CWE-918): it is for administrators only.
 */
import type { Authorization, ConformanceOptions, Report, TopicSource } from '@lockstep/conformance';
import type { ConformanceSetup, ConformanceSpec } from '@lockstep/console/wire';
import type { AuthorizationServer } from '@lockstep/smart';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ConformanceReports } from '../conformance-reports.ts';
import type { Assignment, ConformanceRuns, Run } from '../conformance-runs.ts';
import { COMMAND_LINE_CLIENT } from '../own-apps.ts';
import { audit, type Body, bodyOf, ConsoleError, type PersonOf } from './console-request.ts';

export interface ConformanceRoutes {
  readonly authorization: AuthorizationServer;
  readonly hubUrl: string;
  /** What this server's own Hub keeps. */
  readonly specs: readonly ConformanceSpec[];
  readonly runs: ConformanceRuns;
  readonly reports: ConformanceReports;
  readonly personOf: PersonOf;
}

/** Life of the tokens for the server's own Hub, s. */
const TOKEN_LIFE = 900;
const OWN_SCOPE = 'fhircast/*.* hub/session.*';
const LIMITED_SCOPE = 'fhircast/Patient-open.read';
/** Whose sessions the suite works in; never those of people who work here. */
const OWN_USER = 'Practitioner/conformance';
/** The checks of the basic steps. */
const BASICS = [
  'well-known-*',
  'subscribe-*',
  'confirmation-*',
  'publish-*',
  'broadcast-*',
  'unsubscribe-*',
  'webhook-*',
];
/** How often a stream says that it is still there, ms. */
const BEAT = 15_000;
const LONGEST_TEXT = 4000;

type Suite = typeof import('@lockstep/conformance');

/** Forms of a report: the ending of its file, its type, and how it is made. */
const FORMS: Readonly<
  Record<string, readonly [ending: string, type: string, render: (suite: Suite, report: Report) => string]>
> = {
  html: ['html', 'text/html', ({ renderHtml }, report) => renderHtml(report)],
  junit: ['junit.xml', 'application/xml', ({ renderJunit }, report) => renderJunit(report)],
  json: ['json', 'application/json', ({ renderJson }, report) => renderJson(report)],
  testreport: [
    'testreport.json',
    'application/fhir+json',
    ({ renderTestReport }, report) => `${JSON.stringify(renderTestReport(report), undefined, 2)}\n`,
  ],
  har: ['har', 'application/json', ({ renderHar }, report) => renderHar(report)],
  badge: ['svg', 'image/svg+xml', ({ renderBadge }, report) => renderBadge(report)],
};

function textOf(body: Body, field: string): string | undefined {
  const value = body[field];
  if (value === undefined || value === '') return undefined;
  if (typeof value !== 'string' || value.length > LONGEST_TEXT) throw new ConsoleError(400, `${field}: a text`);
  return value.trim();
}

function needed(body: Body, field: string): string {
  const value = textOf(body, field);
  if (value === undefined) throw new ConsoleError(400, `${field}: is needed`);
  return value;
}

function oneOf<T extends string>(body: Body, field: string, values: readonly T[]): T {
  const found = values.find((value) => value === body[field]);
  if (found === undefined) throw new ConsoleError(400, `${field}: one of ${values.join(', ')}`);
  return found;
}

function webAddress(body: Body, field: string): string | undefined {
  const text = textOf(body, field);
  if (text === undefined) return undefined;
  if (!/^https?:\/\//.test(text) || !URL.canParse(text))
    throw new ConsoleError(400, `${field}: an http or https address`);
  return text.replace(/(?<!\/)\/+$/, '');
}

function neededAddress(body: Body, field: string): string {
  needed(body, field);
  return webAddress(body, field)!;
}

function slownessOf(body: Body): number {
  const { slowness = 1 } = body;
  if (typeof slowness !== 'number' || !(slowness >= 1 && slowness <= 20)) {
    throw new ConsoleError(400, 'slowness: a number from 1 to 20');
  }
  return slowness;
}

function portOf(body: Body): number | undefined {
  const { port } = body;
  if (port === undefined) return undefined;
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new ConsoleError(400, 'port: a whole number up to 65535');
  }
  return port;
}

function authorizationOf(body: Body): Authorization | undefined {
  switch (oneOf(body, 'access', ['open', 'token', 'client', 'register'])) {
    case 'open':
      return undefined;
    case 'token':
      return { kind: 'token', token: needed(body, 'token') };
    case 'register':
      return { kind: 'register', smart: neededAddress(body, 'smart') };
    case 'client': {
      const smart = webAddress(body, 'smart');
      const tokenUrl = webAddress(body, 'tokenUrl');
      if (smart === undefined && tokenUrl === undefined) {
        throw new ConsoleError(400, 'smart: the FHIR address, or the address of the token endpoint, is needed');
      }
      const secret = needed(body, 'secret');
      const where = { ...(smart !== undefined && { smart }), ...(tokenUrl !== undefined && { tokenUrl }) };
      return { kind: 'client', clientId: needed(body, 'clientId'), secret, ...where };
    }
  }
}

/** A topic command would run on this machine: it is for the command line only. */
function topicsOf(body: Body): TopicSource {
  switch (oneOf(body, 'sessions', ['any', 'given', 'made'])) {
    case 'any':
      return { kind: 'any' };
    case 'given':
      return {
        kind: 'given',
        topics: needed(body, 'topics')
          .split(/[\s,]+/)
          .filter(Boolean),
      };
    case 'made':
      return { kind: 'session', user: textOf(body, 'user') ?? OWN_USER };
  }
}

function callbackOf(body: Body): Pick<ConformanceOptions, 'callback'> {
  const host = textOf(body, 'callbackHost');
  const publicUrl = webAddress(body, 'callbackUrl');
  return { callback: { ...(host !== undefined && { host }), ...(publicUrl !== undefined && { publicUrl }) } };
}

export function consoleConformanceRoutes(app: FastifyInstance, options: ConformanceRoutes): void {
  const { authorization, hubUrl, specs, runs, reports, personOf } = options;

  /** Access to the server's own Hub, without anybody having to register anything. */
  async function ownAccess(): Promise<Pick<ConformanceOptions, 'authorization' | 'topics'>> {
    const token = (scope: string) => authorization.serverToken(COMMAND_LINE_CLIENT, { scope, life: TOKEN_LIFE });
    const [full, limited] = await Promise.all([token(OWN_SCOPE), token(LIMITED_SCOPE)]);
    return {
      authorization: { kind: 'token', token: full.token, limitedToken: limited.token, expiresIn: TOKEN_LIFE },
      topics: { kind: 'session', user: OWN_USER },
    };
  }

  async function assignmentOf(body: Body): Promise<Assignment> {
    const slowness = slownessOf(body);
    if (oneOf(body, 'kind', ['hub', 'subscriber']) === 'subscriber') {
      const host = textOf(body, 'host');
      const port = portOf(body);
      const publicUrl = webAddress(body, 'publicUrl');
      const where = { ...(host !== undefined && { host }), ...(port !== undefined && { port }) };
      const hub = { ...where, ...(publicUrl !== undefined && { publicUrl }) };
      const spec = oneOf(body, 'spec', ['3.0.0', 'IRA']);
      // A person takes longer than a program.
      const timed = { slowness, startMs: 600_000 };
      return { kind: 'subscriber', spec, options: { name: needed(body, 'name'), hub, ...timed } };
    }
    const spec = oneOf(body, 'spec', ['3.0.0', 'STU2', 'IRA']);
    const checks = body.checks === undefined ? 'all' : oneOf(body, 'checks', ['all', 'safety', 'basics']);
    const chosen = { ...(checks === 'safety' && { safety: true }), ...(checks === 'basics' && { only: BASICS }) };
    const common = { slowness, rejectUnauthorized: body.insecure !== true, ...callbackOf(body), ...chosen };
    if (oneOf(body, 'hub', ['own', 'other']) === 'own') {
      return { kind: 'hub', spec, options: { hubUrl, ...common, ...(await ownAccess()) } };
    }
    const access = authorizationOf(body);
    const given = { ...(access && { authorization: access }), topics: topicsOf(body) };
    return { kind: 'hub', spec, options: { hubUrl: neededAddress(body, 'url'), ...common, ...given } };
  }

  function runOf(user: string): Run {
    const run = runs.of(user);
    // Runs are kept by the node that runs them.
    if (!run) throw new ConsoleError(404, 'There is no run: it was started at another node, or the server restarted.');
    return run;
  }

  app.get('/conformance', async (request): Promise<ConformanceSetup> => {
    const { id } = personOf(request).user;
    const run = runs.of(id)?.view;
    return { hubUrl, specs, ...(run && { run }), others: runs.beside(id), reports: await reports.list() };
  });

  /** The check of the administrator's last run again, alone: the developer of a Hub looks at one thing at a time. */
  app.post('/conformance/run/again', async (request, reply) => {
    const { user } = personOf(request);
    const check = needed(bodyOf(request), 'check');
    const before = runOf(user.id).assignment;
    const suite = await import('@lockstep/conformance');
    const known = before.kind === 'hub' ? suite.HUB_CHECKS : suite.SUBSCRIBER_CHECKS;
    if (!known.some(({ id }) => id === check)) throw new ConsoleError(400, `check: there is no check ${check}`);
    const only = [check];
    const again: Assignment =
      before.kind === 'hub'
        ? {
            ...before,
            options: { ...before.options, ...(before.options.hubUrl === hubUrl && (await ownAccess())), only },
          }
        : { ...before, options: { ...before.options, only } };
    const run = runs.start(user.id, again);
    if (!run) throw new ConsoleError(409, 'A run of yours is under way: wait for its end, or cancel it.');
    audit(request, { action: 'conformance-started', user: user.id, detail: `${run.view.name}, ${check}` });
    return reply.code(201).send(run.view);
  });

  async function keptReport(id: string): Promise<Report> {
    const report = await reports.get(id);
    if (!report) throw new ConsoleError(404, 'This report is not kept, or not any more.');
    return report;
  }

  app.get<{ Params: { id: string } }>('/conformance/reports/:id', async (request) => keptReport(request.params.id));

  app.get<{ Params: { id: string; other: string } }>('/conformance/reports/:id/since/:other', async (request) => {
    const [after, before] = await Promise.all([keptReport(request.params.id), keptReport(request.params.other)]);
    const { diffReports } = await import('@lockstep/conformance');
    return diffReports(before, after);
  });

  app.get<{ Params: { id: string; form: string } }>('/conformance/reports/:id/as/:form', async (request, reply) =>
    sendForm(reply, request.params.form, () => keptReport(request.params.id)),
  );

  app.post('/conformance/run', async (request, reply) => {
    const { user } = personOf(request);
    const run = runs.start(user.id, await assignmentOf(bodyOf(request)));
    if (!run) throw new ConsoleError(409, 'A run of yours is under way: wait for its end, or cancel it.');
    audit(request, { action: 'conformance-started', user: user.id, detail: run.view.name });
    return reply.code(201).send(run.view);
  });

  app.delete('/conformance/run', async (request, reply) => {
    const run = runOf(personOf(request).user.id);
    run.cancel();
    return reply.code(202).send(run.view);
  });

  app.post('/conformance/run/answer', async (request, reply) => {
    const { question, done } = bodyOf(request);
    if (typeof question !== 'number' || typeof done !== 'boolean') {
      throw new ConsoleError(400, 'question: its number; done: true or false');
    }
    if (!runOf(personOf(request).user.id).answer(question, done)) {
      throw new ConsoleError(409, 'That is not asked any more.');
    }
    return reply.code(204).send();
  });

  /** The run as server-sent events: as it is now, and after every change. */
  app.get('/conformance/run/live', async (request, reply) => {
    const { user } = personOf(request);
    const run = runOf(user.id);
    reply.hijack();
    const { raw } = reply;
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    const ends: (() => void)[] = [];
    const end = (): void => {
      for (const one of ends.splice(0)) one();
      raw.end();
    };
    const beat = setInterval(() => raw.write(': still here\n\n'), BEAT);
    ends.push(() => clearInterval(beat));
    ends.push(
      authorization.onSignedOut((left) => {
        if (left.user === user.reference) end();
      }),
    );
    raw.on('close', end);
    ends.push(
      run.watch((view) => {
        raw.write(`data: ${JSON.stringify(view)}\n\n`);
        // The page closes what is over; until then it is sent the same again.
        if (view.status !== 'running') setImmediate(end);
      }),
    );
  });

  app.get('/conformance/run/report', async (request) => reportOf(runOf(personOf(request).user.id)));

  app.get<{ Params: { form: string } }>('/conformance/run/report/:form', async (request, reply) =>
    sendForm(reply, request.params.form, () => reportOf(runOf(personOf(request).user.id))),
  );

  app.addHook('preClose', () => runs.close());
}

/** Sends a report as a file in one of its forms. */
async function sendForm(
  reply: FastifyReply,
  name: string,
  read: () => Report | Promise<Report>,
): Promise<FastifyReply> {
  const form = Object.hasOwn(FORMS, name) ? FORMS[name] : undefined;
  if (!form) throw new ConsoleError(404, 'There is no such form of a report.');
  const [ending, type, render] = form;
  const report = await read();
  return reply
    .type(`${type}; charset=utf-8`)
    .header('content-disposition', `attachment; filename="conformance.${ending}"`)
    .header('x-content-type-options', 'nosniff')
    .header('content-security-policy', 'sandbox')
    .send(render(await import('@lockstep/conformance'), report));
}

function reportOf(run: Run): Report {
  if (!run.report) throw new ConsoleError(409, 'There is no report: the run is under way, or it failed.');
  return run.report;
}
