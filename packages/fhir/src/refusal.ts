/** FHIR's issue types (http://hl7.org/fhir/R4/valueset-issue-type.html) that this endpoint uses. */
export type IssueType =
  | 'structure'
  | 'required'
  | 'value'
  | 'invariant'
  | 'login'
  | 'forbidden'
  | 'not-supported'
  | 'not-found'
  | 'deleted'
  | 'too-long'
  | 'too-costly'
  | 'throttled'
  | 'processing'
  | 'multiple-matches'
  | 'conflict'
  | 'exception'
  | 'incomplete'
  | 'transient';

/** A request that is answered with an error: the status, and an OperationOutcome that says why (FHR-4). */
export class FhirRefusal extends Error {
  override readonly name = 'FhirRefusal';
  readonly status: number;
  readonly issue: IssueType;
  readonly headers: Readonly<Record<string, string>>;

  /** @param message what a client developer can act on; it never holds patient data */
  constructor(status: number, issue: IssueType, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.issue = issue;
    this.headers = headers;
  }
}

/** A request that was not begun: too much else is to be done, or its client has left. It is no failure of the server. */
export class NotBegun extends FhirRefusal {}

/** The OperationOutcome of one error. */
export function operationOutcome(issue: IssueType, diagnostics: string) {
  return outcomeOf(issue === 'exception' ? 'fatal' : 'error', issue, diagnostics);
}

/** The OperationOutcome that says what an answer lacks. */
export function warningOutcome(issue: IssueType, diagnostics: string) {
  return outcomeOf('warning', issue, diagnostics);
}

function outcomeOf(severity: 'fatal' | 'error' | 'warning', code: IssueType, diagnostics: string) {
  return { resourceType: 'OperationOutcome', issue: [{ severity, code, diagnostics }] };
}
