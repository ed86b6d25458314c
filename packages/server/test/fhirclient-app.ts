/** An app with fhirclient, the SMART JavaScript client of npm, unmodified, in Node. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import type { Json } from './harness.ts';
import { App, type Choices, type Kind, type Person } from './person.ts';

export interface FhirClient {
  readonly patient: { readonly id: string; read(): Promise<Json> };
  readonly user: { readonly fhirUser: string; read(): Promise<Json> };
  readonly state: { readonly tokenResponse: Json };
  request(path: string): Promise<Json>;
  refresh(): Promise<{ readonly tokenResponse: Json }>;
}

interface Storage {
  get(key: string): Promise<unknown>;
  set(key: string, value: unknown): Promise<unknown>;
  unset(key: string): Promise<boolean>;
}

type Smart = (
  request: IncomingMessage,
  response: ServerResponse,
  storage: Storage,
) => { authorize(options: object): Promise<void>; ready(): Promise<FhirClient> };

const smart = createRequire(import.meta.url)('fhirclient') as Smart;
/** An app on a port of its own; `open` drives a launch to the client object that the app ends up with. */
export class FhirClientApp {
  readonly address: string;
  app!: App;
  #settings: object = {};
  #settle: (client: FhirClient | Error) => void = () => undefined;

  constructor(address: string) {
    this.address = address;
  }

  static async start(t: Pick<TestContext, 'after'>, kind: Kind, origin: string): Promise<FhirClientApp> {
    const values = new Map<string, unknown>();
    const storage: Storage = {
      get: async (key) => values.get(key),
      set: async (key, value) => values.set(key, value),
      unset: async (key) => values.delete(key),
    };
    const server = createServer((request, response) => one.#answer(request, response, storage));
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    t.after(() => {
      server.close();
      server.closeAllConnections();
    });
    const one = new FhirClientApp(`http://localhost:${(server.address() as AddressInfo).port}`);
    one.app = await App.register(origin, kind, {
      client_name: 'fhirclient',
      redirect_uris: [`${one.address}/callback`],
      launch_url: `${one.address}/launch`,
    });
    return one;
  }

  #answer(request: IncomingMessage, response: ServerResponse, storage: Storage): void {
    const api = smart(request, response, storage);
    const fail = (error: Error): void => {
      this.#settle(error);
      response.end();
    };
    if (request.url?.startsWith('/launch')) api.authorize(this.#settings).catch(fail);
    else {
      api.ready().then((client) => {
        this.#settle(client);
        response.end();
      }, fail);
    }
  }

  async open(person: Person, launchUrl: string, scope: string, choices: Choices = {}): Promise<FhirClient> {
    const { clientId, registration, privateJwk } = this.app;
    const clientPrivateJwk = privateJwk && { ...privateJwk, key_ops: ['sign'] };
    this.#settings = {
      clientId,
      clientSecret: registration.client_secret,
      ...(clientPrivateJwk && { clientPrivateJwk }),
      redirectUri: '/callback',
      scope,
    };
    const started = await fetch(launchUrl, { redirect: 'manual' });
    const back = await person.through(await person.go(started.headers.get('location') ?? ''), choices);
    const ended = new Promise<FhirClient | Error>((resolve) => {
      this.#settle = resolve;
    });
    await fetch(back.url);
    const client = await ended;
    if (client instanceof Error) throw client;
    return client;
  }
}
