/** Every public address of the authorization server. `origin` has no trailing slash. */
export class AuthorizationAddresses {
  readonly origin: string;
  readonly fhir: string;

  constructor(origin: string) {
    this.origin = origin.replace(/\/+$/, '');
    this.fhir = `${this.origin}/fhir`;
  }

  get issuer(): string {
    return this.origin;
  }
  get authorize(): string {
    return `${this.origin}/auth/authorize`;
  }
  get token(): string {
    return `${this.origin}/auth/token`;
  }
  get introspect(): string {
    return `${this.origin}/auth/introspect`;
  }
  get revoke(): string {
    return `${this.origin}/auth/revoke`;
  }
  get register(): string {
    return `${this.origin}/auth/register`;
  }
  get manage(): string {
    return `${this.origin}/auth/manage`;
  }
  get jwks(): string {
    return `${this.origin}/auth/jwks`;
  }
  get userinfo(): string {
    return `${this.origin}/auth/userinfo`;
  }
  get brand(): string {
    return `${this.origin}/auth/brand.json`;
  }
  get style(): string {
    return `${this.origin}/auth/smart-style.json`;
  }

  /** Whether an `aud` or `resource` names the FHIR endpoint; a trailing slash does no harm (DIS-1). */
  isFhir(address: string): boolean {
    return address.replace(/\/$/, '') === this.fhir;
  }

  /** A relative reference as a full URL, `Practitioner/1` → `{fhir}/Practitioner/1`. */
  resource(reference: string): string {
    return `${this.fhir}/${reference}`;
  }
}
