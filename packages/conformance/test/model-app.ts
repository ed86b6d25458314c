/** A small, healthy FHIRcast application for the suite's own tests, that can be given one defect. */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'ws';
import type { Invitation, RunningApp } from '../src/index.ts';

export const APP_DEFECTS = {
  'json-subscription': 'app-sends-form',
  'no-channel': 'app-channel',
  'mode-twice': 'app-fields-once',
  'events-twice': 'app-events-distinct',
  'lease-in-words': 'app-lease',
  'other-token': 'app-token',
  'no-topic-list': 'app-subscribes',
  'never-answers': 'app-answers',
  'answers-without-id': 'app-answers',
  'status-ok': 'app-status',
  'no-status': 'app-status',
  'slow-answer': 'app-answers-in-time',
  'small-resources-only': 'app-full-resource',
  'case-sensitive': 'app-any-case',
  'leaves-on-duplicate': 'app-duplicates',
  'follows-stale': 'app-stale',
  'last-wins': 'app-order',
  'follows-with-draft': 'app-refuses',
  'strict-fields': 'app-unknown-fields',
  'same-id': 'app-publishes-ids',
  'no-timestamp': 'app-publishes-timestamps',
  'wrong-key': 'app-publishes-context',
  'version-of-its-own': 'app-updates-versioned',
  'patient-stays': 'app-closes',
  'any-close-closes': 'app-closes',
  'deaf-when-back': 'app-returns',
  'own-updates-unnoticed': 'app-updates-again',
  'syncerror-as-error': 'app-publishes-syncerrors',
  'leaves-on-rejection': 'app-rejected',
  'just-leaves': 'app-shutdown',
  'gone-for-good': 'app-returns',
  'hammers-endpoint': 'app-denied',
  'four-events': 'ira-app-events',
  nameless: 'ira-app-name',
  'never-connects': 'ira-app-connects',
  'silent-on-errors': 'ira-app-confirms',
  'ignores-gaps': 'ira-app-version-gap',
  'version-of-the-open': 'ira-app-newest-version',
  'keeps-what-is-closed': 'ira-app-closes',
  'keeps-selections': 'ira-app-selects',
  'retries-with-the-id': 'ira-app-retries-anew',
  'opens-without-study': 'ira-app-opens-whole',
  'closes-nothing': 'ira-app-names-report',
  'selects-by-resource': 'ira-app-names-report',
  'answers-before-it-fails': 'app-full-resource',
  'compares-times-as-text': 'app-times',
  'busy-while-rendering': 'app-burst',
  'closed-stays-closed': 'app-opens-again',
  echoes: 'app-echoes',
  'stays-at-home': 'app-home',
  'stays-after-logout': 'app-logout',
  'refuses-in-silence': 'app-refuses',
  'follows-only-what-is-new': 'app-returns-to-current',
} as const;

export type AppDefect = keyof typeof APP_DEFECTS;

interface Notice {
  id: string;
  timestamp: string;
  event: {
    'hub.event': string;
    'context.versionId'?: string;
    'context.priorVersionId'?: string;
    context: { key: string; resource?: { id?: string }; reference?: { reference?: string } }[];
  };
}

export class ModelApp implements RunningApp {
  readonly #invitation: Invitation;
  readonly #defect: AppDefect | undefined;
  readonly #lagMs: number;
  #socket: WebSocket | undefined;
  #endpoint = '';
  #connections = 0;
  #patient = '';
  #newest = Number.NEGATIVE_INFINITY;
  /** When the connection was opened, ms since 1970. */
  #connected = 0;
  #busy = false;
  readonly #closed = new Set<string>();
  #report: { id: string; version: string } | undefined;
  #draft = false;
  /** What is shown as selected, `Type/id`. */
  #selected: (string | undefined)[] = [];
  #last = { id: '', name: '' };
  readonly #seen = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #leaving = false;

  /** @param lagMs how late it does everything, ms: with its answer, what it shows and what it publishes */
  static async launch(invitation: Invitation, defect?: AppDefect, lagMs = 0): Promise<ModelApp> {
    const app = new ModelApp(invitation, defect, lagMs);
    await app.#subscribe();
    return app;
  }

  constructor(invitation: Invitation, defect: AppDefect | undefined, lagMs: number) {
    this.#invitation = invitation;
    this.#defect = defect;
    this.#lagMs = lagMs;
  }

  async #lag(): Promise<void> {
    if (this.#lagMs > 0) await new Promise((resolve) => setTimeout(resolve, this.#lagMs));
  }

  #is(defect: AppDefect): boolean {
    return this.#defect === defect;
  }

  async shown(): Promise<string> {
    return this.#shown;
  }

  /** What a person would do at the application. */
  async do(instruction: string): Promise<boolean> {
    // A slow one is still at it when whoever was asked says that it is done.
    if (this.#lagMs > 0 && /^(Change|Share)/.test(instruction)) void this.#obey(instruction).catch(() => {});
    else return this.#obey(instruction);
    return true;
  }

  async #obey(instruction: string): Promise<boolean> {
    if (/^Begin something/.test(instruction)) {
      this.#draft = true;
    } else if (/^Change the patient/.test(instruction)) {
      await this.#publish();
      await this.#publish();
      await this.#openReport();
      await this.#regret();
      await this.#selectStudy();
      await this.#closeReport();
    } else if (/^Share something/.test(instruction)) await this.#share();
    else if (/no report any more/.test(instruction)) return this.#report === undefined;
    else if (/study as selected no longer/.test(instruction)) {
      return !this.#selected.some((one) => one?.startsWith('ImagingStudy/'));
    }
    return true;
  }

  async quit(): Promise<void> {
    this.#leaving = true;
    clearTimeout(this.#timer);
    await this.#lag();
    if (this.#is('just-leaves')) {
      this.#socket?.terminate();
      return;
    }
    if (this.#socket?.readyState !== WebSocket.OPEN) return;
    await this.#post({ 'hub.mode': 'unsubscribe', 'hub.channel.endpoint': this.#endpoint });
  }

  #headers(): Record<string, string> {
    const token = this.#is('other-token') ? 'another' : this.#invitation.token;
    return { authorization: `Bearer ${token}` };
  }

  #post(more: Record<string, string>): Promise<Response> {
    const fields = new URLSearchParams({
      'hub.channel.type': 'websocket',
      'hub.topic': this.#invitation.topic,
      ...(!this.#is('nameless') && { 'subscriber.name': 'Model application' }),
      ...more,
    });
    if (this.#is('no-channel')) fields.set('hub.channel.type', 'carrier');
    if (this.#is('mode-twice')) fields.append('hub.mode', 'subscribe');
    const json = this.#is('json-subscription');
    return fetch(this.#invitation.hubUrl, {
      method: 'POST',
      headers: {
        ...this.#headers(),
        'content-type': json ? 'text/plain' : 'application/x-www-form-urlencoded',
      },
      body: fields.toString(),
    });
  }

  async #subscribe(): Promise<void> {
    const events = ['Patient-open', 'Patient-close', 'SyncError', 'Home-open', 'UserLogout'];
    for (const action of ['open', 'close', 'update', 'select']) events.push(`DiagnosticReport-${action}`);
    if (this.#is('four-events')) events.splice(events.indexOf('DiagnosticReport-select'), 1);
    if (this.#is('events-twice')) events.push('patient-open');
    const response = await this.#post({
      'hub.mode': 'subscribe',
      'hub.events': this.#is('no-topic-list') ? '' : events.join(','),
      'hub.lease_seconds': this.#is('lease-in-words') ? 'an hour' : '3600',
    });
    const answer = (await response.json()) as { 'hub.channel.endpoint': string };
    this.#endpoint = answer['hub.channel.endpoint'];
    if (!this.#is('never-connects')) this.#connect();
  }

  #connect(): void {
    const socket = new WebSocket(this.#endpoint);
    this.#socket = socket;
    this.#connections++;
    this.#connected = Date.now();
    socket.on('error', () => {});
    socket.on('message', (data) => void this.#heard(String(data)));
    socket.on('close', (code) => {
      if (code === 1006 && this.#is('gone-for-good')) return;
      if (this.#is('hammers-endpoint') && !this.#leaving) this.#timer = setTimeout(() => this.#connect(), 100);
      else if (!this.#leaving) this.#timer = setTimeout(() => void this.#subscribe().catch(() => {}), 200);
    });
  }

  async #heard(text: string): Promise<void> {
    const message = JSON.parse(text) as Partial<Notice> & Record<string, unknown>;
    if (message['hub.mode'] === 'denied') {
      if (this.#leaving) this.#socket?.close(1000);
      return;
    }
    await this.#lag();
    if (!message.event || message.id === undefined) return;
    const notice = message as Notice;
    if (this.#seen.has(notice.id) && this.#is('leaves-on-duplicate')) return this.#socket?.close(1000);
    this.#seen.add(notice.id);
    if (this.#is('never-answers') || (this.#is('deaf-when-back') && this.#connections > 1)) return;
    if (this.#is('slow-answer')) await new Promise((resolve) => setTimeout(resolve, 11_000));
    const isDropped = this.#busy && this.#is('busy-while-rendering');
    const status = isDropped ? 200 : this.#follow(notice, text.length);
    if (this.#is('busy-while-rendering')) {
      this.#busy = true;
      setTimeout(() => (this.#busy = false), 100);
    }
    if (this.#is('echoes') && notice.id !== this.#last.id && /-open$/i.test(notice.event['hub.event'])) {
      await this.#send(notice.event['hub.event'], notice.event.context).catch(() => undefined);
    }
    if (this.#is('silent-on-errors') && /^syncerror$/i.test(notice.event['hub.event'])) return;
    if (this.#is('strict-fields') && notice.event.context.some(({ key }) => key === 'extension')) return;
    const answer = this.#is('answers-without-id')
      ? { status }
      : { id: notice.id, ...(!this.#is('no-status') && { status: this.#is('status-ok') ? 'OK' : status }) };
    this.#socket?.send(JSON.stringify(answer));
    // What a slow one shows follows its answer.
    if (this.#lagMs > 0) await this.#lag();
    this.#shown = this.#patient;
  }
  #shown = '';
  #newestText = '';

  #follow({ id, timestamp, event }: Notice, size: number): number {
    if (this.#is('small-resources-only') && size > 50_000) return 413;
    if (this.#is('answers-before-it-fails') && size > 50_000) return 200;
    const name = event['hub.event'];
    if (this.#is('case-sensitive') && name === name.toUpperCase()) return 400;
    if (this.#draft && !this.#is('follows-with-draft')) {
      // Its user gives the draft up when asked about it.
      this.#draft = false;
      return this.#is('refuses-in-silence') ? 202 : 409;
    }
    const lower = name.toLowerCase();
    if (lower.startsWith('diagnosticreport-')) this.#note(id, lower, event);
    if (lower === 'patient-close' && !this.#is('patient-stays')) {
      const closed = event.context[0]?.resource?.id;
      if (closed === this.#patient || this.#is('any-close-closes')) this.#patient = '';
      this.#closed.add(closed ?? '');
    }
    if (lower === 'userlogout' && !this.#is('stays-after-logout')) this.#patient = '';
    if (lower === 'home-open' && this.#is('stays-at-home')) return 200;
    if (!lower.endsWith('-open')) return 200;
    const time = Date.parse(timestamp);
    const old = this.#is('compares-times-as-text') ? timestamp < this.#newestText : time < this.#newest;
    const stale = old && !(this.#is('follows-stale') || this.#is('last-wins'));
    if (stale) return 200;
    if (this.#is('follows-only-what-is-new') && time < this.#connected) return 200;
    this.#newest = time;
    this.#newestText = timestamp;
    const patient = event.context.find(({ key }) => key === 'patient')?.resource?.id ?? '';
    if (this.#is('closed-stays-closed') && this.#closed.has(patient)) return 200;
    this.#patient = patient;
    const report = event.context.find(({ key }) => key === 'report')?.resource?.id;
    if (report !== undefined) {
      this.#report = { id: report, version: event['context.versionId'] ?? '' };
    }
    return 200;
  }

  /** Keeps up with what happens to the open report. */
  #note(id: string, name: string, event: Notice['event']): void {
    if (name.endsWith('-update') && this.#report) {
      const missed = event['context.priorVersionId'] !== this.#report.version;
      if (missed && !this.#is('ignores-gaps')) {
        void fetch(`${this.#invitation.hubUrl}/${this.#invitation.topic}`, { headers: this.#headers() });
      }
      const own = id === this.#last.id && this.#is('own-updates-unnoticed');
      if (!this.#is('version-of-the-open') && !own) this.#report.version = event['context.versionId'] ?? '';
    }
    if (name.endsWith('-select')) {
      const named = event.context.filter(({ key }) => key === 'select').map(({ reference }) => reference?.reference);
      this.#selected = this.#is('keeps-selections') ? [...this.#selected, ...named] : named;
    }
    if (name.endsWith('-close') && !this.#is('keeps-what-is-closed')) {
      this.#report = undefined;
      this.#patient = '';
    }
  }

  async #send(name: string, context: unknown[], versionId?: string): Promise<void> {
    await this.#lag();
    const response = await fetch(this.#invitation.hubUrl, {
      method: 'POST',
      headers: { ...this.#headers(), 'content-type': 'application/json' },
      body: JSON.stringify({
        ...(!this.#is('no-timestamp') && { timestamp: new Date().toISOString() }),
        id: this.#id(name),
        event: {
          'hub.topic': this.#invitation.topic,
          'hub.event': name,
          ...(versionId !== undefined && { 'context.versionId': versionId }),
          context,
        },
      }),
    });
    this.#refused = response.status >= 400;
    if (this.#refused && this.#is('leaves-on-rejection')) this.#socket?.close(1000);
  }
  #refused = false;

  #id(name: string): string {
    if (this.#is('same-id')) return 'always-the-same';
    if (!(this.#refused && this.#is('retries-with-the-id'))) this.#last = { id: randomUUID(), name };
    return this.#last.id;
  }

  /** The context of the report that it opened itself. */
  #own = [
    { key: 'report', resource: { resourceType: 'DiagnosticReport', id: '' } },
    { key: 'patient', resource: { resourceType: 'Patient', id: '' } },
    { key: 'study', resource: { resourceType: 'ImagingStudy', id: '' } },
  ];

  #selectStudy(): Promise<void> {
    const [report, , study] = this.#own.map(({ key, resource }) => ({
      key,
      reference: { reference: `${resource.resourceType}/${resource.id}` },
    }));
    const named = this.#is('selects-by-resource') ? this.#own[0] : report;
    return this.#send('DiagnosticReport-select', [named, { ...study, key: 'select' }]);
  }

  #closeReport(): Promise<void> {
    return this.#send('DiagnosticReport-close', this.#is('closes-nothing') ? this.#own.slice(1) : this.#own);
  }

  #openReport(): Promise<void> {
    this.#own = this.#own.map(({ key, resource }) => ({ key, resource: { ...resource, id: randomUUID() } }));
    const context = this.#own;
    return this.#send('DiagnosticReport-open', this.#is('opens-without-study') ? context.slice(0, 2) : context);
  }

  /** Says of its last event that it cannot follow it after all. */
  #regret(): Promise<void> {
    const base = 'https://fhircast.hl7.org/events/syncerror/';
    const coding = [
      { system: `${base}eventid`, code: this.#last.id },
      { system: `${base}eventname`, code: this.#last.name },
      { system: `${base}subscribername`, code: 'Model application' },
    ];
    const severity = this.#is('syncerror-as-error') ? 'error' : 'warning';
    const issue = { severity, code: 'processing', diagnostics: 'not now', details: { coding } };
    return this.#send('SyncError', [
      { key: 'operationoutcome', resource: { resourceType: 'OperationOutcome', issue: [issue] } },
    ]);
  }

  #publish(): Promise<void> {
    const resource = { resourceType: 'Patient', id: randomUUID(), identifier: [{ value: 'x' }] };
    return this.#send('Patient-open', [{ key: this.#is('wrong-key') ? 'Patient' : 'patient', resource }]);
  }

  #share(): Promise<void> {
    const observation = { resourceType: 'Observation', id: randomUUID(), status: 'preliminary' };
    const entry = [{ request: { method: 'PUT', url: `Observation/${observation.id}` }, resource: observation }];
    const version = this.#is('version-of-its-own') ? '1' : this.#report?.version;
    const context = [
      { key: 'report', reference: { reference: `DiagnosticReport/${this.#report?.id}` } },
      { key: 'updates', resource: { resourceType: 'Bundle', type: 'transaction', entry } },
    ];
    return this.#send('DiagnosticReport-update', context, version);
  }
}
