import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import { cookieName, readCookies } from './form.ts';
import { scriptPolicy } from './pages/passkey.ts';
import { randomToken, sameSecret } from './secrets.ts';
import type { SignedIn } from './sign-ins.ts';

const FORM_COOKIE = 'lockstep_form';

/** A page's request that is refused with a page. */
export class PageError extends Error {
  override readonly name = 'PageError';
  readonly error: string;
  readonly status: number;
  constructor(error: string, description: string, status = 400) {
    super(description);
    this.error = error;
    this.status = status;
  }
}

/** What pages share: headers, form bodies, CSRF (AUT-7). */
export class Browser {
  readonly #addresses: AuthorizationAddresses;
  readonly #formCookie: string;

  constructor(addresses: AuthorizationAddresses) {
    this.#addresses = addresses;
    this.#formCookie = cookieName(FORM_COOKIE, addresses);
  }

  /** @param framed whether our own pages may frame this one */
  send(reply: FastifyReply, status: number, page: string, framed = false): FastifyReply {
    return pageHeaders(reply, framed, scriptPolicy(page)).code(status).type('text/html; charset=utf-8').send(page);
  }

  /** The value that a form must bring back: of the sign-in, or before one of a cookie of this browser (CWE-352). */
  csrf(request: FastifyRequest, reply: FastifyReply, signedIn: SignedIn | undefined): string {
    if (signedIn) return signedIn.csrf;
    const cookies = readCookies(request.headers.cookie);
    const held = cookies.get(this.#formCookie);
    if (held && /^[\w-]{43}$/.test(held)) return held;
    const fresh = randomToken();
    reply.header(
      'set-cookie',
      `${this.#formCookie}=${fresh}; HttpOnly; SameSite=Lax; ${this.#addresses.secure ? 'Path=/; Secure' : 'Path=/auth'}`,
    );
    return fresh;
  }

  /** Reads a form. @throws PageError when it is none of ours */
  form(request: FastifyRequest, signedIn: SignedIn | undefined): URLSearchParams {
    if (typeof request.body !== 'string') throw new PageError('invalid_request', 'This page takes forms only.', 415);
    const fields = new URLSearchParams(request.body);
    const expected = signedIn?.csrf ?? readCookies(request.headers.cookie).get(this.#formCookie);
    this.checkOrigin(request);
    if (!expected || !sameSecret(fields.get('csrf') ?? '', expected)) {
      throw new PageError('invalid_request', 'This form is out of date. Go back and try again.', 403);
    }
    return fields;
  }

  /** @throws PageError when another site's page sent the request */
  checkOrigin(request: FastifyRequest): void {
    const { origin } = request.headers;
    if (origin !== undefined && origin !== this.#addresses.origin) {
      throw new PageError('invalid_request', 'This form came from another site.', 403);
    }
  }

  /** Where to go after signing in: a path of our own, whatever was asked for (CWE-601). */
  ownPath(asked: unknown): string {
    if (typeof asked !== 'string') return '/';
    const { origin, path: below } = this.#addresses;
    const url = URL.parse(asked, origin);
    if (!asked.startsWith('/') || url?.origin !== origin) return '/';
    // The pages' own scripts know the address with the proxy's path, which redirects begin with anyway.
    const pathname = url.pathname.startsWith(`${below}/`) ? url.pathname.slice(below.length) : url.pathname;
    const path = `${pathname}${url.search}${url.hash}`;
    return /^\/[/\\]/.test(path) ? '/' : path;
  }
}

/** @param scripts the part of the policy that lets a script run; without it none does */
export function pageHeaders(reply: FastifyReply, framed: boolean, scripts = ''): FastifyReply {
  const ancestors = framed ? "'self'" : "'none'";
  return reply
    .header(
      'content-security-policy',
      `default-src 'none'; style-src 'self'; ${scripts}img-src 'self' https: data:; base-uri 'none'; frame-ancestors ${ancestors}`,
    )
    .header('x-content-type-options', 'nosniff')
    .header('referrer-policy', 'same-origin')
    .header('cache-control', 'no-store')
    .header('pragma', 'no-cache');
}
