import type { IncomingMessage } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { AuthorizationAddresses } from './addresses.ts';
import { cookieName, readCookies } from './form.ts';
import { errorPage, type PageSetting } from './pages/layout.ts';
import { ENGLISH, type PageLanguages, type Said, said } from './pages/page-language.ts';
import { scriptPolicy } from './pages/passkey.ts';
import type { Sentence } from './pages/sentences.ts';
import { randomToken, sameSecret } from './secrets.ts';
import type { SignedIn } from './sign-ins.ts';

const FORM_COOKIE = 'lockstep_form';
/** Holds the language that the person has chosen. */
const LANGUAGE_COOKIE = 'lockstep_language';
/** s */
const CHOICE_LIFE = 365 * 24 * 3600;
/** Characters of an address that a page repeats, for the choice of another language: proxies take some 8,000, and encoding makes three of one. */
const LONGEST_ADDRESS = 2_500;

/** A page's request that is refused with a page. */
export class PageError extends Error {
  override readonly name = 'PageError';
  readonly error: string;
  readonly description: Said;
  readonly status: number;
  constructor(error: string, description: Sentence | Said, status = 400) {
    const message = typeof description === 'string' ? said(description) : description;
    super(ENGLISH.say(message));
    this.error = error;
    this.description = message;
    this.status = status;
  }
}

/** What pages share: headers, languages, form bodies, CSRF (AUT-7). */
export class Browser {
  readonly #addresses: AuthorizationAddresses;
  readonly #languages: PageLanguages;
  readonly #formCookie: string;
  readonly #languageCookie: string;

  constructor(addresses: AuthorizationAddresses, languages: PageLanguages) {
    this.#addresses = addresses;
    this.#languages = languages;
    this.#formCookie = cookieName(FORM_COOKIE, addresses);
    this.#languageCookie = cookieName(LANGUAGE_COOKIE, addresses);
  }

  /**
   * What the pages of a request are made with: in the language that the person chose, else the app asks for, else the browser.
   * @param wanted the app's `ui_locales` (OpenID Connect Core section 3.1.2.1)
   */
  setting(request: FastifyRequest, wanted?: string): PageSetting {
    const here = addressOf(request);
    const { tags } = this.#languages;
    return { ...this.settingOf(request.raw, wanted), choice: here === undefined ? undefined : { tags, here } };
  }

  /** The same for a request that the OAuth library answers: its pages offer no choice. */
  settingOf({ headers }: Pick<IncomingMessage, 'headers'>, wanted?: string): PageSetting {
    const chosen = readCookies(headers.cookie).get(this.#languageCookie);
    const language = this.#languages.find({ chosen, wanted, accepted: headers['accept-language'] });
    return { base: this.#addresses.path, language };
  }

  /** Keeps the language that the person chooses, where there is such a one. */
  chooseLanguage(reply: FastifyReply, tag: unknown): void {
    const known = this.#languages.tags.find((one) => one === tag);
    if (known === undefined) return;
    const secure = this.#addresses.secure ? '; Secure' : '';
    const cookie = `${this.#languageCookie}=${known}; Max-Age=${CHOICE_LIFE}; HttpOnly; SameSite=Lax; Path=/${secure}`;
    reply.header('set-cookie', cookie);
  }

  /** Answers with the page of an error. */
  sendError(request: FastifyRequest, reply: FastifyReply, { error, description, status }: PageError): FastifyReply {
    return this.send(reply, status, errorPage(this.setting(request), error, description));
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

/** The path that shows a page again; undefined where none does. */
function addressOf({ method, url, routeOptions, params }: FastifyRequest): string | undefined {
  const route = routeOptions.url ?? '';
  if (/^\/auth\/(sign-out|signed-out|outside)/.test(route)) return '/auth/sign-in';
  if (method !== 'GET' && route.startsWith('/auth/interaction/')) {
    return `/auth/interaction/${(params as { uid: string }).uid}`;
  }
  const isShownAgain = method === 'GET' || /^\/auth\/(sign-in|second-factor|manage)$/.test(route);
  return isShownAgain && url.length <= LONGEST_ADDRESS ? url : undefined;
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
