/** An error answered as RFC 6749 section 5.2 writes it. */
export class OAuthError extends Error {
  override readonly name = 'OAuthError';
  readonly error: string;
  readonly status: number;

  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }

  get body(): { error: string; error_description: string } {
    return { error: this.error, error_description: this.message };
  }
}

/** The client could not be authenticated (TOK-1). */
export function invalidClient(description: string): OAuthError {
  return new OAuthError('invalid_client', description, 401);
}
