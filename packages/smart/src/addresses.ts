/** Every public address of the authorization server. */
export class AuthorizationAddresses {
  /** What clients use, without a trailing slash; with a path where a proxy serves Lockstep below one. */
  readonly publicUrl: string;
  /** As browsers send it: scheme, host and port. */
  readonly origin: string;
  /** What the paths of our pages begin with, such as `/lockstep`; empty where Lockstep has the whole host. */
  readonly path: string;
  readonly fhir: string;

  constructor(publicUrl: string) {
    this.publicUrl = publicUrl.replace(/(?<!\/)\/+$/, '');
    const { origin, pathname } = new URL(this.publicUrl);
    this.origin = origin;
    this.path = pathname.replace(/(?<!\/)\/+$/, '');
    this.fhir = `${this.publicUrl}/fhir`;
  }

  /**
   * Where the metadata is of the FHIR endpoint or the Hub (RFC 9728 section 3.1): the path of a resource stands behind the document's name.
   * @param url an address of this server without the path of `publicUrl`, such as `/hub/x`; `/api/hub` is the Hub as well
   * @returns undefined for what is no protected resource
   */
  resourceMetadata(url: string): string | undefined {
    const [, fhir, hub] = /^\/+(?:(fhir)|(?:api\/+)?(hub))(?:[/?]|$)/.exec(url) ?? [];
    const resource = fhir ?? hub;
    return resource && `${this.origin}/.well-known/oauth-protected-resource${this.path}/${resource}`;
  }

  /** Whether clients speak https. */
  get secure(): boolean {
    return this.origin.startsWith('https:');
  }

  get issuer(): string {
    return this.publicUrl;
  }
  get authorize(): string {
    return `${this.publicUrl}/auth/authorize`;
  }
  get token(): string {
    return `${this.publicUrl}/auth/token`;
  }
  get introspect(): string {
    return `${this.publicUrl}/auth/introspect`;
  }
  get revoke(): string {
    return `${this.publicUrl}/auth/revoke`;
  }
  get register(): string {
    return `${this.publicUrl}/auth/register`;
  }
  get manage(): string {
    return `${this.publicUrl}/auth/manage`;
  }
  get jwks(): string {
    return `${this.publicUrl}/auth/jwks`;
  }
  get userinfo(): string {
    return `${this.publicUrl}/auth/userinfo`;
  }
  get brand(): string {
    return `${this.publicUrl}/auth/brand.json`;
  }
  get style(): string {
    return `${this.publicUrl}/auth/smart-style.json`;
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
