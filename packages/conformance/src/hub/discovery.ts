import type { Check } from '../check.ts';
import { CheckSkip, expect } from '../expecting.ts';
import { isObject, type JsonObject, textOf } from '../json.ts';
import type { HttpResponse } from '../target/http.ts';
import type { Scenario } from '../target/scenario.ts';
import { ALL, CORE, driver, ONLY_3, openPatient, PATIENT } from './parts.ts';

const PATH = '/.well-known/fhircast-configuration';

async function served(s: Scenario): Promise<HttpResponse> {
  const response = await s.request('GET', PATH);
  // One failure is enough for that, and it says what is amiss.
  if (response.status !== 200) throw new CheckSkip('The Hub serves no configuration: see well-known-served');
  return response;
}

async function configuration(s: Scenario): Promise<JsonObject> {
  const { json, body } = await served(s);
  expect(isObject(json), 'a JSON object', body);
  return json;
}

const isLoopback = (host: string) => /^(localhost|127\.|\[?::1)/.test(host);

export const discovery: readonly Check[] = [
  {
    id: 'hub-over-https',
    title: 'The Hub is reached over HTTPS',
    rule: 'CAP-1',
    requirements: ['2-https'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const url = new URL(s.hub.url);
      if (url.protocol === 'http:' && isLoopback(url.hostname))
        throw new CheckSkip('The Hub under test is on this machine, without TLS');
      expect(url.protocol === 'https:', 'an https: URL', s.hub.url);
    },
  },
  {
    id: 'socket-over-tls',
    title: 'The WebSocket endpoint is a wss: URL',
    rule: 'SUB-2',
    requirements: ['2-wss'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const endpoint = new URL(await s.ask({ events: PATIENT }));
      const plain = new URL(s.hub.url).protocol === 'http:' && isLoopback(endpoint.hostname);
      if (plain) throw new CheckSkip('The Hub under test is on this machine, without TLS');
      expect(endpoint.protocol === 'wss:', 'a wss: URL', endpoint.href);
    },
  },
  {
    id: 'socket-sends-json',
    title: 'Everything on the WebSocket is JSON',
    rule: 'SUB-7',
    requirements: ['2-wss'],
    level: 'SHALL',
    versions: ALL,
    run: async (s) => {
      const one = await driver(s, PATIENT);
      await openPatient(s, one);
      await s.unsubscribe(one);
      await s.settle();
      const other = one.frames.find((frame) => frame.message === undefined);
      expect(other === undefined, 'JSON objects only', other?.text);
    },
  },
  {
    id: 'well-known-served',
    title: 'The configuration is served below hub.url',
    rule: 'CAP-1',
    requirements: ['2.7-well-known'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { status, json, body } = await s.request('GET', PATH);
      expect(status === 200, `HTTP 200 from ${PATH}`, `HTTP ${status} ${body}`);
      expect(isObject(json), 'a JSON object', body);
    },
  },
  {
    id: 'well-known-mime-type',
    title: 'The configuration is application/json',
    rule: 'CAP-1',
    requirements: ['2.7-mime'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const type = (await served(s)).headers['content-type'];
      expect(/^application\/json\b/i.test(type ?? ''), 'Content-Type: application/json', type);
    },
  },
  {
    id: 'well-known-events',
    title: 'eventsSupported lists event names',
    rule: 'CAP-1',
    requirements: ['2.7-events'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const events = (await configuration(s)).eventsSupported;
      expect(Array.isArray(events) && events.length > 0, 'eventsSupported: an array of names', events);
      const named = events.every((one) => typeof one === 'string' && one !== '');
      expect(named, 'eventsSupported: strings only', events);
    },
  },
  {
    id: 'well-known-websocket',
    title: 'websocketSupport is true',
    rule: 'CAP-1',
    requirements: ['2.7-websocket'],
    level: 'SHALL',
    versions: CORE,
    run: async (s) => {
      const { websocketSupport } = await configuration(s);
      expect(websocketSupport === true, 'websocketSupport: true', websocketSupport);
    },
  },
  {
    id: 'well-known-types',
    title: 'The optional fields have their types',
    rule: 'CAP-1',
    requirements: ['2.7-well-known'],
    level: 'SHALL',
    versions: ONLY_3,
    run: async (s) => {
      const found = await configuration(s);
      const { fhircastVersion, getCurrentSupport, capabilities, fhirVersion } = found;
      const versions = ['DSTU1', 'DSTU2', 'STU3', 'R4', 'R4B', 'R5'];
      expect(['undefined', 'string'].includes(typeof fhircastVersion), 'fhircastVersion: a string', fhircastVersion);
      expect(
        ['undefined', 'boolean'].includes(typeof getCurrentSupport),
        'getCurrentSupport: a boolean',
        getCurrentSupport,
      );
      expect(
        fhirVersion === undefined || versions.includes(textOf(fhirVersion)),
        `fhirVersion: ${versions.join(', ')}`,
        fhirVersion,
      );
      expect(capabilities === undefined || isObject(capabilities), 'capabilities: an object', capabilities);
      for (const name of ['supportsGetCurrentContext', 'supportsNonCurrentContextUpdates']) {
        const value = isObject(capabilities) ? capabilities[name] : undefined;
        expect(['undefined', 'boolean'].includes(typeof value), `capabilities.${name}: a boolean`, value);
      }
    },
  },
  {
    id: 'well-known-version',
    title: 'fhircastVersion says which version, and it is the one that is tested',
    rule: 'CAP-1',
    requirements: ['2.7-version'],
    level: 'SHOULD',
    versions: CORE,
    run: async (s) => {
      const { fhircastVersion } = await configuration(s);
      const right = typeof fhircastVersion === 'string' && /^(STU)?3\b/i.test(fhircastVersion);
      expect(right, 'fhircastVersion: "3.0.0"', fhircastVersion);
    },
  },
  {
    id: 'well-known-get-current-twice',
    title: 'getCurrentSupport and capabilities.supportsGetCurrentContext agree',
    rule: 'CAP-1',
    requirements: ['2.7-both'],
    level: 'SHOULD',
    versions: ONLY_3,
    needs: ['get-current'],
    run: async (s) => {
      const { getCurrentSupport, capabilities } = await configuration(s);
      const supports = isObject(capabilities) ? capabilities.supportsGetCurrentContext : undefined;
      expect(getCurrentSupport === supports, 'both fields, with one value', { getCurrentSupport, capabilities });
    },
  },
];
