/** What the endpoints of a simulated launch answer instead of the real ones, by the fault that was asked for. */
import type { Fault } from '@lockstep/console/simulation';
import { PageError } from '@lockstep/smart';

export interface OAuthFault {
  readonly fault: Fault;
  readonly status: number;
  readonly error: string;
  readonly description: string;
}

function oauthFault(fault: Fault, status: number, error: string, description: string): OAuthFault {
  return { fault, status, error, description: `Simulated: ${description}` };
}

/** Faults that are shown in the browser, since a redirect is not allowed then (AUT-2). */
const SHOWN = {
  'invalid-client': ['invalid_client', 'Simulated: the application is not known here.'],
  'invalid-redirect': ['invalid_redirect_uri', 'Simulated: redirect_uri is not registered for the application.'],
} as const;

/** Faults that go back to the app, in the order in which they would be found. */
const RETURNED: readonly OAuthFault[] = [
  oauthFault('wrong-aud', 303, 'invalid_request', 'aud is not the FHIR endpoint of this server'),
  oauthFault('bad-scope', 303, 'invalid_scope', 'none of the scopes can be granted'),
  oauthFault('denied-consent', 303, 'access_denied', 'the user refused'),
];

const AUTHENTICATION: readonly OAuthFault[] = [
  oauthFault('wrong-secret', 401, 'invalid_client', 'client authentication failed'),
  oauthFault('wrong-assertion', 401, 'invalid_client', 'the signature of the assertion is wrong'),
  oauthFault('used-jti', 401, 'invalid_client', 'jti was used before'),
];

const GRANTS: ReadonlyMap<string | undefined, readonly OAuthFault[]> = new Map([
  ['authorization_code', [oauthFault('expired-code', 400, 'invalid_grant', 'the code has expired')]],
  [
    'refresh_token',
    [oauthFault('refused-refresh', 400, 'invalid_grant', 'the refresh token is unknown or has expired')],
  ],
]);

function firstOf(table: readonly OAuthFault[], faults: readonly Fault[]): OAuthFault | undefined {
  return table.find(({ fault }) => faults.includes(fault));
}

/** What the browser is shown instead of the pages. */
export function shownFault(faults: readonly Fault[]): PageError | undefined {
  const fault = (Object.keys(SHOWN) as (keyof typeof SHOWN)[]).find((one) => faults.includes(one));
  if (fault === undefined) return undefined;
  const [error, sentence] = SHOWN[fault];
  return new PageError(error, sentence);
}

/** What an authorization request comes back with. */
export function returnedFault(faults: readonly Fault[]): OAuthFault | undefined {
  return firstOf(RETURNED, faults);
}

/** What the token endpoint answers. @param grantType undefined where the request names none */
export function tokenFault(faults: readonly Fault[], grantType: string | undefined): OAuthFault | undefined {
  return firstOf([...AUTHENTICATION, ...(GRANTS.get(grantType) ?? [])], faults);
}

export interface FhirFault {
  readonly fault: Fault;
  readonly status: number;
  /** The code of the issue in the OperationOutcome. */
  readonly code: string;
  readonly text: string;
}

const FHIR: readonly FhirFault[] = [
  { fault: 'fhir-expired', status: 401, code: 'login', text: 'Simulated: the access token has expired' },
  { fault: 'fhir-forbidden', status: 403, code: 'forbidden', text: 'Simulated: the scopes do not allow this' },
  { fault: 'fhir-error', status: 500, code: 'exception', text: 'Simulated: the record has failed' },
];

/** What the FHIR endpoint answers. */
export function fhirFault(faults: readonly Fault[]): FhirFault | undefined {
  return FHIR.find(({ fault }) => faults.includes(fault));
}
