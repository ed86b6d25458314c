import type { FhircastScope, FhirScope, Scope } from '@lockstep/fhircast';
import { ENGLISH, type PageLanguage } from './pages/page-language.ts';
import { type Sentence, typeWords } from './pages/sentences.ts';

export interface ScopeGroup {
  readonly title: string;
  readonly entries: readonly { readonly scope: Scope; readonly words: string }[];
}

const IDENTITY: Readonly<Record<string, Sentence>> = {
  openid: 'know that you have signed in',
  fhirUser: 'know who you are',
  profile: 'know who you are',
};

const LAUNCH: Readonly<Record<string, Sentence>> = {
  launch: 'be told what you have open when you start it',
  patient: 'be told which patient you choose',
  encounter: 'be told which encounter you choose',
};

const INTERACTIONS: Readonly<Record<string, Sentence>> = {
  c: 'add',
  r: 'read',
  u: 'change',
  d: 'delete',
  s: 'search',
};

/** By whose records are meant: of all types, and of one. */
const RECORDS: Readonly<Record<FhirScope['context'], readonly [all: Sentence, ofType: Sentence]>> = {
  patient: ['{} all records of the chosen patient', '{} {} records of the chosen patient'],
  user: ['{} all records of every patient you may see', '{} {} records of every patient you may see'],
  system: ['{} all records of all patients', '{} {} records of all patients'],
};

/** Events that are about no resource: what reading and writing them means, by the event in lower case. */
const OTHER_EVENTS: ReadonlyMap<string, readonly [read: Sentence, write: Sentence]> = new Map([
  ['syncerror', ['be told when an application does not follow', 'say that it does not follow']],
  ['userlogout', ['be told when you sign out', 'sign you out of your applications']],
  ['userhibernate', ['be told when you pause your work', 'pause your work in your applications']],
  ['home-open', ['see when you leave for the start page', 'bring your applications to their start page']],
]);

/** What reading and writing events of a resource type means, by what happens to it. */
const ACTIONS: ReadonlyMap<string, readonly [read: Sentence, write: Sentence]> = new Map([
  ['open', ['see which {} you have open', 'change the open {}']],
  ['close', ['see when the open {} is closed', 'close the open {}']],
  ['update', ['see what is shared about the open {}', 'share content about the open {}']],
  ['select', ['see what you select in the open {}', 'select things in the open {}']],
]);

/** Says scopes in one language. */
class ScopeSpeaker {
  readonly #language: PageLanguage;

  constructor(language: PageLanguage) {
    this.#language = language;
  }

  say(scope: Scope): string {
    const { words } = this.#language;
    switch (scope.kind) {
      case 'identity':
        return this.#known(IDENTITY[scope.text]) ?? scope.text;
      case 'launch':
        return this.#known(LAUNCH[scope.need]) ?? scope.text;
      case 'refresh':
        return words(
          scope.text === 'offline_access' ? 'keep its access after you sign out' : 'keep its access until you sign out',
        );
      case 'session':
        return this.#readWrite(scope, 'see your synchronized sessions', 'start and end your synchronized sessions');
      case 'fhircast':
        return this.#event(scope);
      case 'fhir':
        return this.#records(scope);
    }
  }

  #known(sentence: Sentence | undefined): string | undefined {
    return sentence && this.#language.words(sentence);
  }

  #records({ context, type, interactions, params }: FhirScope): string {
    const { words } = this.#language;
    const verbs = this.#language.list(interactions.map((one) => this.#known(INTERACTIONS[one]) ?? one));
    const [all, ofType] = RECORDS[context];
    const records = type === '*' ? words(all, verbs) : words(ofType, verbs, this.#type(type));
    if (params.length === 0) return records;
    const conditions = params.map(([name, value]) => words('{} is {}', name, value));
    return words('{} (only where {})', records, this.#language.list(conditions));
  }

  #event(scope: FhircastScope): string {
    const { words } = this.#language;
    if (scope.event === '*') {
      if (scope.read && scope.write) return words('follow and change what you have open in all your applications');
      return words(
        scope.read
          ? 'see what you have open in your other applications'
          : 'change what is open in your other applications',
      );
    }
    const other = OTHER_EVENTS.get(scope.event.toLowerCase());
    if (other) return this.#readWrite(scope, ...other);
    const dash = scope.event.lastIndexOf('-');
    const action = ACTIONS.get(dash < 0 ? '' : scope.event.slice(dash + 1));
    if (action) return this.#readWrite(scope, ...action, this.#type(scope.event.slice(0, dash)));
    return this.#readWrite(scope, 'receive the event {}', 'send the event {}', scope.event);
  }

  #type(type: string): string {
    return this.#language.code(typeWords(type));
  }

  #readWrite(
    scope: { readonly read: boolean; readonly write: boolean },
    read: Sentence,
    write: Sentence,
    ...values: readonly string[]
  ): string {
    const { words } = this.#language;
    if (scope.read && scope.write) return words('{} and {}', words(read, ...values), words(write, ...values));
    return words(scope.read ? read : write, ...values);
  }
}

/** What a scope allows, in plain words that continue "The app may …" (AUT-5). */
export function scopeWords(scope: Scope, language = ENGLISH): string {
  return new ScopeSpeaker(language).say(scope);
}

const GROUPS: readonly (readonly [title: Sentence, kinds: readonly Scope['kind'][]])[] = [
  ['Your identity', ['identity']],
  ['Medical records', ['fhir']],
  ['Your open applications', ['fhircast', 'session']],
  ['Starting and staying signed in', ['launch', 'refresh']],
];

/** The scopes of a request as the consent page lists them. */
export function groupScopes(scopes: readonly Scope[], language = ENGLISH): readonly ScopeGroup[] {
  const speaker = new ScopeSpeaker(language);
  return GROUPS.map(([title, kinds]) => ({
    title: language.words(title),
    entries: scopes.filter(({ kind }) => kinds.includes(kind)).map((scope) => ({ scope, words: speaker.say(scope) })),
  })).filter(({ entries }) => entries.length > 0);
}
