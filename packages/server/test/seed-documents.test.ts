/**
 * Each JSON, form and address of the documents that the server was first written from, by document and line, put through the
 * door that it belongs to. Values that only this server can give (client, launch, its own address) take the place of theirs.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fromSmart } from '@lockstep/client';
import { fromArgs, fromUrl } from '@lockstep/client/launch';
import { LaunchError, parseArguments, parseLaunchFile, splitWindowsCommandLine } from '@lockstep/fhircast';
import { EVERYTHING, HubClient, type Json, json, sharedLockstep } from './harness.ts';
import { App, Person, resources } from './person.ts';

const { origin } = await sharedLockstep();
const HUB = `${origin}/hub`;

type Document = 'EHR authorizes app to synchronize' | 'App launch scenarios and session discovery' | 'EHR Launch Flow';

interface Row {
  readonly document: Document;
  readonly line: number;
  readonly kind: 'authorization request' | 'answer' | 'request' | 'subscription form' | 'launch address' | 'switches';
  /** As it stands there, but for line breaks between the parameters of an address. */
  readonly input: string;
  readonly outcome: string;
  readonly enter: (input: string) => Promise<void>;
}

const FIRST_TOPIC = '2e5e1b95-5c7f-4884-b19a-0b058699318b';
const SECOND_TOPIC = 'fdb2f928-5546-4f52-87a0-0648e9ded065';

/** Sends a person with the document's authorization request, and redeems the code. @returns the token and the session */
async function authorize(query: string, changes: Record<string, string> = {}, switches: Json = { legacy: true }) {
  const app = await App.register(origin, 'symmetric', { redirect_uris: ['https://app/after-auth'], switches });
  const person = new Person(origin);
  const { session_topic: topic } = await person.signIn('dr-lena-okafor', 'reading-room-1');
  const viewer = await HubClient.backend(origin, 'system/*.rs', { scope: 'system/*.rs' });
  const [encounter] = await resources(origin, 'Encounter?_count=1', viewer.token);
  const patient = String(encounter?.subject.reference).replace('Patient/', '');
  const launch = { client_id: app.clientId, patient, encounter: encounter?.id, intent: 'client-ui-name', topic };
  const { body } = await person.launch(launch);
  const request = new URLSearchParams(query);
  const own = { client_id: app.clientId, launch: body.launch, aud: `${origin}/fhir`, ...changes };
  for (const [name, value] of Object.entries(own)) {
    assert.ok(request.has(name), name);
    request.set(name, value);
  }
  const { url } = await person.through(await person.go(`${origin}/auth/authorize?${request}`));
  assert.ok(url.startsWith('https://app/after-auth?'), url);
  const back = new URL(url).searchParams;
  assert.equal(back.get('state'), '98wrghuwuogerg97');
  const code = back.get('code');
  if (code === null) return { error: back.get('error'), topic, token: {} as Json };
  const form = { grant_type: 'authorization_code', code, redirect_uri: 'https://app/after-auth' };
  const { body: token } = await app.post('/auth/token', form);
  return { error: null, topic, token };
}

/** What of the answer's names and values the documents print. */
function printed({ intent, token_type: type, expires_in: life, ...token }: Json, topic: string): void {
  assert.deepEqual([intent, String(type).toLowerCase(), life], ['client-ui-name', 'bearer', 3600]);
  for (const name of ['access_token', 'scope', 'patient', 'encounter'])
    assert.equal(typeof token[name], 'string', name);
  assert.deepEqual([token['hub.url'], token['hub.topic']], [HUB, topic]);
}

/** The first line and the body of an answer to a request that is sent as bytes. */
async function raw(request: string): Promise<{ readonly status: string; readonly body: string }> {
  const { hostname, port } = new URL(origin);
  const socket = connect(Number(port), hostname);
  socket.write(request);
  const answer = await text(socket);
  return { status: answer.slice(0, answer.indexOf('\r\n')), body: answer.slice(answer.indexOf('\r\n\r\n') + 4) };
}

const FIRST_REQUEST =
  'response_type=code&client_id=app-client-id&redirect_uri=https%3A%2F%2Fapp%2Fafter-auth&launch=xyz123&scope=fhircast+launch+patient%2FObservation.read+patient%2FPatient.read+openid+profile&state=98wrghuwuogerg97&aud=https://ehr/fhir';
const SECOND_REQUEST = FIRST_REQUEST.replace('scope=fhircast+', 'scope=fhircast%2FImagingStudy-open.read+');
const COMMON_ANSWER =
  '"access_token": "i8hweunweunweofiwweoijewiwe", "token_type": "bearer", "expires_in": 3600, "scope": "patient/Observation.read patient/Patient.read", "state": "98wrghuwuogerg97", "intent": "client-ui-name", "patient":  "123", "encounter": "456",';
const SECOND_ANSWER = `{ ${COMMON_ANSWER} "hub.url" : "https://hub.example.com", "hub.topic": "${FIRST_TOPIC}"\n "hub.topic": "${SECOND_TOPIC}" }`;

const ROWS: readonly Row[] = [
  {
    document: 'EHR authorizes app to synchronize',
    line: 15,
    kind: 'authorization request',
    input: FIRST_REQUEST,
    outcome: 'the bare scope brings cast-hub and cast-session beside everything that lines 28 to 39 print',
    enter: async (input) => {
      const { token, topic } = await authorize(input);
      printed(token, topic);
      assert.deepEqual([token['cast-hub'], token['cast-session']], [HUB, `${HUB}/${topic}`]);
      const { hubUrl, topic: session } = fromSmart({ ...token, 'hub.topic': undefined, 'hub.url': undefined });
      const subscriber = await new HubClient(hubUrl, token.access_token).subscribe(session, 'Patient-open');
      assert.equal((await subscriber.next())['hub.topic'], `${HUB}/${topic}`);
      await subscriber.close();
    },
  },
  {
    document: 'EHR authorizes app to synchronize',
    line: 15,
    kind: 'authorization request',
    input: FIRST_REQUEST,
    outcome: 'is refused to an app that was not registered for requests without PKCE',
    enter: async (input) => assert.equal((await authorize(input, {}, {})).error, 'invalid_request'),
  },
  {
    document: 'EHR authorizes app to synchronize',
    line: 15,
    kind: 'authorization request',
    input: FIRST_REQUEST,
    outcome: 'is refused with a launch or an audience that this server does not know',
    enter: async (input) => {
      for (const changes of [{ launch: 'xyz123' }, { aud: 'https://ehr/fhir' }]) {
        const { error } = await authorize(input, changes);
        assert.equal(error, 'invalid_request', JSON.stringify(changes));
      }
    },
  },
  {
    document: 'EHR authorizes app to synchronize',
    line: 28,
    kind: 'answer',
    input: `{ ${COMMON_ANSWER} "cast-hub" : "https://hub.example.com", "cast-session": "https://hub.example.com/7jaa86kgdudewiaq0wtu" }`,
    outcome: 'tells the SDK, and a watched folder, the Hub and the session by its address; a list of sessions too',
    enter: async (input) => {
      const session = 'https://hub.example.com/7jaa86kgdudewiaq0wtu';
      const other = 'https://hub.example.com/8kbb97lheevfxjbr1xuv';
      for (const sessions of [session, [session], [session, other]]) {
        const answer = { ...JSON.parse(input), 'cast-session': sessions };
        const { token, ...there } = fromSmart(answer);
        assert.equal(token, 'i8hweunweunweofiwweoijewiwe');
        assert.deepEqual(there, { hubUrl: 'https://hub.example.com', topic: session });
        const { hubUrl, topic, parameters } = parseLaunchFile(JSON.stringify(answer));
        assert.deepEqual({ hubUrl, topic }, there);
        assert.deepEqual([parameters?.patient, parameters?.encounter], ['123', '456']);
      }
    },
  },
  {
    document: 'EHR authorizes app to synchronize',
    line: 72,
    kind: 'request',
    input: 'GET https://hub.example.com/session?user=?&workstation=? HTTP 1.1\r\nHost: hub\r\n',
    outcome: 'lists the sessions once its protocol is HTTP/1.1; as it stands it is no HTTP and is answered 400',
    enter: async (input) => {
      const hub = await HubClient.backend(origin, EVERYTHING);
      const topic = await hub.session('Practitioner/dr-mei-tanaka', 'reading-room-2');
      const request = `${input.replace('https://hub.example.com', HUB)}Connection: close\r\nAuthorization: Bearer ${hub.token}\r\n\r\n`;
      assert.match((await raw(request)).status, /^HTTP\/1\.1 400/);
      const { status, body } = await raw(request.replace('HTTP 1.1', 'HTTP/1.1'));
      assert.match(status, /^HTTP\/1\.1 200/);
      assert.ok(body.includes(topic));
    },
  },
  {
    document: 'App launch scenarios and session discovery',
    line: 26,
    kind: 'authorization request',
    input: SECOND_REQUEST,
    outcome: 'brings hub.url and hub.topic, and reading of one event',
    enter: async (input) => {
      const { token, topic } = await authorize(input);
      printed(token, topic);
      assert.equal(token['cast-session'], undefined);
      const hub = new HubClient(token['hub.url'], token.access_token);
      const subscriber = await hub.subscribe(token['hub.topic'], 'ImagingStudy-open');
      assert.equal((await subscriber.next())['hub.events'], 'ImagingStudy-open');
      await subscriber.close();
    },
  },
  {
    document: 'App launch scenarios and session discovery',
    line: 39,
    kind: 'answer',
    input: SECOND_ANSWER,
    outcome:
      'is no JSON as it stands; with its comma it names two topics, and no reader picks one; with either it is read',
    enter: async (input) => {
      assert.throws(() => parseLaunchFile(input), { name: 'LaunchError', message: /not valid JSON/ });
      const whole = input.replace(`"${FIRST_TOPIC}"\n`, `"${FIRST_TOPIC}",\n`);
      assert.throws(() => parseLaunchFile(whole), { name: 'LaunchError', message: /"hub\.topic" twice/ });
      for (const topic of [FIRST_TOPIC, SECOND_TOPIC]) {
        const one = JSON.stringify({ ...JSON.parse(whole), 'hub.topic': topic });
        const { token: _, ...there } = fromSmart(JSON.parse(one));
        assert.deepEqual(there, { hubUrl: 'https://hub.example.com', topic });
        assert.equal(parseLaunchFile(one).topic, topic);
      }
    },
  },
  {
    document: 'App launch scenarios and session discovery',
    line: 78,
    kind: 'switches',
    input: `C:\\Windows\\System32\\PACS.exe /credentials:<secured credentials> /user:jsmith /hub.url:https://hub.example.com /hub.topic:${FIRST_TOPIC}`,
    outcome:
      'is read in any order; a value with a space is whole where it is quoted, and spoils no other where it is not',
    enter: async (input) => {
      const there = { hubUrl: 'https://hub.example.com', topic: FIRST_TOPIC };
      const quoted = input.replace('/credentials:<secured credentials>', '"/credentials:<secured credentials>"');
      const [program = '', ...switches] = splitWindowsCommandLine(quoted);
      assert.equal(program, 'C:\\Windows\\System32\\PACS.exe');
      for (const order of [switches, switches.toReversed()]) {
        const parameters = { credentials: '<secured credentials>' };
        assert.deepEqual(parseArguments(order), { ...there, user: 'jsmith', parameters });
        assert.deepEqual(fromArgs(order), there);
      }
      const { user, ...rest } = parseArguments(splitWindowsCommandLine(input).slice(1));
      assert.deepEqual([user, rest.hubUrl, rest.topic], ['jsmith', there.hubUrl, there.topic]);
    },
  },
  {
    document: 'App launch scenarios and session discovery',
    line: 83,
    kind: 'launch address',
    input: `https://app.example.com/launch.html?user=jsmith&hub.url=https%3A%2F%2Fhub.example.com&hub.topic=${FIRST_TOPIC}`,
    outcome: 'is read; without Hub or topic it is no launch',
    enter: async (input) => {
      assert.deepEqual(fromUrl(input), { hubUrl: 'https://hub.example.com', topic: FIRST_TOPIC });
      for (const name of ['hub.url', 'hub.topic']) {
        const without = new URL(input);
        without.searchParams.delete(name);
        assert.throws(() => fromUrl(without), LaunchError, name);
      }
    },
  },
  {
    document: 'App launch scenarios and session discovery',
    line: 95,
    kind: 'subscription form',
    input: 'https://hub.example/com/AES256(username+nonce, shared secret)',
    outcome:
      'stands for what an app computes: as it stands it is no topic of this Hub, at any door, and starts no session',
    enter: async (input) => {
      const hub = await HubClient.backend(origin, EVERYTHING);
      for (const topic of [input, input.replace('https://hub.example/com', HUB)]) {
        const form = { 'hub.channel.type': 'websocket', 'hub.mode': 'subscribe', 'hub.events': 'Patient-open' };
        for (const response of [
          await hub.form({ ...form, 'hub.topic': topic }),
          await hub.publish(topic, 'Patient-open', []),
          await hub.request(`/${encodeURIComponent(topic)}`),
        ]) {
          assert.ok([400, 403, 404].includes(response.status), `${response.status} ${topic}`);
          assert.notEqual((await response.text()).trim(), '');
        }
      }
      const listed = (await json(hub.request('/session'))) as unknown as Json[];
      assert.ok(!listed.some((session) => String(session['hub.topic']).includes('AES256')));
    },
  },
  {
    document: 'EHR Launch Flow',
    line: 19,
    kind: 'launch address',
    input: 'https://app/launch?iss=https%3A%2F%2Fehr%2Ffhir&launch=xyz123',
    outcome: 'is how an app with this launch address is launched, and iss leads to the metadata (line 23)',
    enter: async (input) => {
      const theirs = new URL(input);
      const app = await App.register(origin, 'public', { launch_url: theirs.origin + theirs.pathname });
      const person = new Person(origin);
      await person.signIn('dr-lena-okafor');
      const { body } = await person.launch({ client_id: app.clientId });
      const ours = new URL(body.launch_url);
      assert.equal(ours.origin + ours.pathname, 'https://app/launch');
      assert.deepEqual([...ours.searchParams.keys()], [...theirs.searchParams.keys()]);
      const metadata = await json(
        fetch(`${ours.searchParams.get('iss')}/metadata`, { headers: { accept: 'application/json' } }),
      );
      const [rest] = metadata.rest;
      const [oauth] = rest.security.extension;
      const urls = Object.fromEntries(oauth.extension.map(({ url, valueUri }: Json) => [url, valueUri]));
      assert.ok(urls.authorize.startsWith(origin) && urls.token.startsWith(origin));
    },
  },
];

describe('the documents that the server was first written from', () => {
  for (const { document, line, kind, input, outcome, enter } of ROWS) {
    it(`${document}, line ${line}, ${kind}: ${outcome}`, () => enter(input));
  }
});
