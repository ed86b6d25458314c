import { isPlainText, isWrittenAsCompared, toPlainText } from '@lockstep/fhircast';
import type { OutsideIdentity } from '../users.ts';
import type { OutsideOptions } from './options.ts';

/** Claims of an id token that was verified, with those of the userinfo endpoint. */
export type Claims = Readonly<Record<string, unknown>>;

/** What an outside provider says about a person, in our words. */
export interface OutsidePerson {
  readonly identity: OutsideIdentity;
  /** In lower case. */
  readonly userName: string;
  readonly name: string;
  /** Undefined where the provider names no FHIR resource. */
  readonly reference?: string;
  /** Undefined where administrators are made here. */
  readonly administrator?: boolean;
}

const MAX_NAME = 200;
const REFERENCE_AT_END = /(?:^|\/)([A-Z][A-Za-z]+\/[A-Za-z0-9.-]{1,64})$/;

/**
 * A claim by its name, or by the path to it: `realm_access.roles`. Names may have dots of their own at every step, and the longest
 * comes first: `resource_access.my.client.roles`.
 */
export function claimAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name];
  for (let dot = name.lastIndexOf('.'); dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
    const first = name.slice(0, dot);
    const inner = Object.hasOwn(claims, first) ? claims[first] : undefined;
    const found =
      typeof inner === 'object' && inner !== null ? claimAt(inner as Claims, name.slice(dot + 1)) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value.trim() !== '' ? value.trim() : undefined;
}

function holds(value: unknown, role: string): boolean {
  if (typeof value === 'string') return value.split(/\s+/).includes(role);
  return Array.isArray(value) && value.includes(role);
}

/** @returns undefined when a claim that is needed is missing or of no use: the claim's name is returned */
export function readPerson(claims: Claims, options: OutsideOptions): OutsidePerson | { readonly missing: string } {
  const issuer = text(claims.iss);
  const subject = text(claims.sub);
  if (!issuer || !subject) return { missing: 'sub' };
  const written = claimAt(claims, options.userClaim);
  if (typeof written !== 'string' || written === '' || !isPlainText(written) || !isWrittenAsCompared(written))
    return { missing: options.userClaim };
  const userName = written.toLowerCase();
  const fhirUser = text(claimAt(claims, options.fhirUserClaim));
  const reference = fhirUser === undefined ? undefined : REFERENCE_AT_END.exec(fhirUser)?.[1];
  if (fhirUser !== undefined && reference === undefined) return { missing: options.fhirUserClaim };
  const { administrators } = options;
  return {
    identity: { issuer, subject },
    userName,
    name: toPlainText(text(claims.name) ?? userName).slice(0, MAX_NAME),
    ...(reference && { reference }),
    ...(administrators && { administrator: holds(claimAt(claims, administrators.claim), administrators.role) }),
  };
}
