import type { WireExchange } from '../transcript.ts';
import type { CheckResult, Report } from './report.ts';

/** An HTTP request as it stands in a transcript. */
export interface SentRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
}

/** Splits `POST url`, headers, an empty line and a body. */
export function requestOf(text: string): SentRequest {
  const [head = '', ...rest] = text.split('\n\n');
  const [line = '', ...headers] = head.split('\n');
  const [method = '', url = ''] = line.split(' ');
  return { method, url, headers: pairs(headers), body: rest.join('\n\n') };
}

function answerOf(text: string) {
  const [head = '', ...rest] = text.split('\n\n');
  const [line = '', ...headers] = head.split('\n');
  return { status: Number(line.replace('HTTP ', '')) || 0, headers: pairs(headers), body: rest.join('\n\n') };
}

const pairs = (lines: readonly string[]) =>
  lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()] as const);

const named = (list: readonly (readonly [string, string])[]) => list.map(([name, value]) => ({ name, value }));
const typeOf = (headers: readonly (readonly [string, string])[]) =>
  headers.find(([name]) => name.toLowerCase() === 'content-type')?.[1] ?? '';

/** The requests of one check, each with its answer. */
function httpEntries(began: number, lines: readonly WireExchange[]): object[] {
  const waiting: WireExchange[] = [];
  return lines.flatMap((line) => {
    if (line.kind === 'request') waiting.push(line);
    if (line.kind !== 'response') return [];
    const at = waiting.findIndex(({ who }) => who === line.who);
    const [asked] = at < 0 ? [] : waiting.splice(at, 1);
    if (!asked) return [];
    const request = requestOf(asked.text);
    const answer = answerOf(line.text);
    return [
      {
        startedDateTime: new Date(began + asked.at).toISOString(),
        time: line.at - asked.at,
        request: {
          method: request.method,
          url: request.url,
          httpVersion: 'HTTP/1.1',
          cookies: [],
          headers: named(request.headers),
          queryString: [],
          headersSize: -1,
          bodySize: request.body.length,
          ...(request.body !== '' && { postData: { mimeType: typeOf(request.headers), text: request.body } }),
        },
        response: {
          status: answer.status,
          statusText: '',
          httpVersion: 'HTTP/1.1',
          cookies: [],
          headers: named(answer.headers),
          content: { size: answer.body.length, mimeType: typeOf(answer.headers), text: answer.body },
          redirectURL: '',
          headersSize: -1,
          bodySize: answer.body.length,
        },
        cache: {},
        timings: { send: 0, wait: line.at - asked.at, receive: 0 },
      },
    ];
  });
}

/** The connections of one check, with their frames as browsers write them into a HAR. */
function socketEntries(began: number, lines: readonly WireExchange[]): object[] {
  return lines
    .filter(({ kind }) => kind === 'connect')
    .map(({ at, who, text }) => ({
      startedDateTime: new Date(began + at).toISOString(),
      time: 0,
      request: {
        method: 'GET',
        url: text,
        httpVersion: 'HTTP/1.1',
        cookies: [],
        headers: [],
        queryString: [],
        headersSize: -1,
        bodySize: 0,
      },
      response: {
        status: 101,
        statusText: '',
        httpVersion: 'HTTP/1.1',
        cookies: [],
        headers: [],
        content: { size: 0, mimeType: '' },
        redirectURL: '',
        headersSize: -1,
        bodySize: 0,
      },
      cache: {},
      timings: { send: 0, wait: 0, receive: 0 },
      _resourceType: 'websocket',
      _webSocketMessages: lines
        .filter((line) => line.who === who && (line.kind === 'received' || line.kind === 'sent'))
        .map((line) => ({
          type: line.kind === 'sent' ? 'send' : 'receive',
          time: (began + line.at) / 1000,
          opcode: 1,
          data: line.text,
        })),
    }));
}

/** Everything that was exchanged in a report's checks, as a HAR 1.2 document; one page for each check. */
export function renderHar(report: Report): string {
  const began = Date.parse(report.startedAt);
  const kept = report.results.filter(({ exchange }) => exchange !== undefined);
  const pages = kept.map(({ id, title, verdict }) => ({
    startedDateTime: report.startedAt,
    id,
    title: `${verdict}: ${title}`,
    pageTimings: {},
  }));
  const entries = kept.flatMap(({ id, exchange = [] }) =>
    [...httpEntries(began, exchange), ...socketEntries(began, exchange)].map((entry) => ({ pageref: id, ...entry })),
  );
  const creator = { name: report.suite?.name ?? 'conformance', version: report.suite?.version ?? '' };
  return `${JSON.stringify({ log: { version: '1.2', creator, pages, entries } }, undefined, 2)}\n`;
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

/** The requests of one check as a shell script with curl. A hidden token is read from `FHIRCAST_TOKEN`. */
export function renderCurl(result: CheckResult): string {
  const requests = (result.exchange ?? []).filter(({ kind }) => kind === 'request');
  const lines = requests.flatMap(({ who, text }) => {
    const { method, url, headers, body } = requestOf(text);
    const given = headers.map(([name, value]) =>
      value.includes('(hidden)')
        ? `  -H "${name}: ${value.replace('(hidden)', '$FHIRCAST_TOKEN')}" \\`
        : `  -H ${quoted(`${name}: ${value}`)} \\`,
    );
    const cut = /… \(\d+ characters\)$/.test(text) ? ['# The body was longer than a report keeps: it is cut.'] : [];
    const data = body === '' ? [] : [`  --data-binary ${quoted(body)} \\`];
    return ['', `# ${who}`, ...cut, `curl -i -X ${method} \\`, ...given, ...data, `  ${quoted(url)}`];
  });
  return ['#!/bin/sh', `# ${result.id}: ${result.title}`, ...lines, ''].join('\n');
}
