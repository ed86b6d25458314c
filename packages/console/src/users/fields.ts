/** What is entered about a user, checked as it is typed. */
import type { UserView } from '../api.ts';
import { t } from '../language/language.ts';

export interface UserFields {
  readonly id: string;
  readonly name: string;
  readonly reference: string;
  /** One a line. */
  readonly aliases: string;
  readonly administrator: boolean;
  /** Whether the password is typed here; else one is made, and shown once. */
  readonly typed: boolean;
  readonly password: string;
}

export const NEW_USER: UserFields = {
  id: '',
  name: '',
  reference: '',
  aliases: '',
  administrator: false,
  typed: false,
  password: '',
};

export const SHORTEST_PASSWORD = 8;
const USER_ID = /^[a-z0-9][a-z0-9._@+-]{0,99}$/;
const REFERENCE = /^(Practitioner|Patient|PractitionerRole|RelatedPerson|Person)\/[A-Za-z0-9.-]{1,64}$/;

/** What is wrong with a password; undefined when nothing is. */
export function passwordProblem(password: string): string | undefined {
  return password.length < SHORTEST_PASSWORD ? t('users.atLeastCharacters', { count: SHORTEST_PASSWORD }) : undefined;
}

/** @param known whether the user is there already: then neither name nor password is entered */
export function problemsOf(fields: UserFields, known: boolean): { readonly [K in keyof UserFields]?: string } {
  const problems: { -readonly [K in keyof UserFields]?: string } = {};
  if (!known) {
    const id = fields.id.trim().toLowerCase();
    if (id === '') problems.id = t('users.giveTheNameToSignIn');
    else if (!USER_ID.test(id)) problems.id = t('users.lettersDigitsAndOnlyBeginningWith');
    const problem = fields.typed ? passwordProblem(fields.password) : undefined;
    if (problem) problems.password = problem;
  }
  if (fields.name.trim() === '') problems.name = t('users.giveThePersonsName');
  const reference = fields.reference.trim();
  if (reference === '' ? known : !REFERENCE.test(reference)) problems.reference = t('users.itLooksLikePractitioner123');
  return problems;
}

export function aliasesOf(text: string): readonly string[] {
  return [...new Set(text.split('\n').flatMap((line) => line.trim() || []))];
}

export function toFields({ id, name, reference, aliases, administrator }: UserView): UserFields {
  return { ...NEW_USER, id, name, reference, aliases: aliases.join('\n'), administrator };
}

/** What the server is sent: without a reference it makes one of the name. */
export function toBody(fields: UserFields, known: boolean): Readonly<Record<string, unknown>> {
  const { administrator } = fields;
  const reference = fields.reference.trim();
  return {
    ...(!known && { id: fields.id.trim().toLowerCase() }),
    name: fields.name.trim(),
    ...(reference !== '' && { reference }),
    aliases: aliasesOf(fields.aliases),
    administrator,
    ...(!known && fields.typed && { password: fields.password }),
  };
}

/** The field that a server's refusal is about. */
export function fieldOf(message: string): keyof UserFields | undefined {
  if (/^(a user name|there is a user)/.test(message)) return 'id';
  if (/^a password/.test(message)) return 'password';
  const [, field] = /^(name|reference|aliases|administrator)\b/.exec(message) ?? [];
  return field as keyof UserFields | undefined;
}
