/** Serves the console and the samples: strict about what their pages may load, cached by the hash in a file's name. */
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { basePathOf } from './base-path.ts';

export interface Pages {
  /** Where the pages are, with a slash at both ends. */
  readonly path: string;
  /** Folder of the built files. */
  readonly files: URL;
  /** Addresses that the page's own script routes: each answers with the page. */
  readonly routes: readonly string[];
  /** Whether it shows pages of other origins in frames: the EHR's applications. */
  readonly frames: boolean;
  /** Whether our own pages may frame it. */
  readonly framed: boolean;
}

const NOT_BUILT = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Lockstep</title></head>
<body><h1>The console is not built</h1><p>Start Lockstep with <code>npm start</code>, which builds it.</p></body></html>`;

/** Scripts, styles and connections of our own origin only; frames from where the EHR's applications are. */
function contentSecurityPolicy({ frames, framed }: Pages, origin: string, nonce?: string): string {
  const socket = origin.replace(/^http/, 'ws');
  return [
    "default-src 'none'",
    "script-src 'self'",
    `style-src 'self'${nonce === undefined ? '' : ` 'nonce-${nonce}'`}`,
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src 'self' ${socket}`,
    `frame-src ${frames ? "'self' http: https:" : "'none'"}`,
    `frame-ancestors ${framed ? "'self'" : "'none'"}`,
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
  ].join('; ');
}

/**
 * @param publicUrl what clients use, without a trailing slash
 * @param reachedDirectly whether it is this machine's, with nothing in front: a browser that came by another name of the machine is
 * sent to it. A proxy may write any name, and would be sent there for ever.
 */
export function staticRoutes(pages: readonly Pages[], publicUrl: string, reachedDirectly: boolean): FastifyPluginAsync {
  const { host, origin } = new URL(publicUrl);
  const basePath = basePathOf(publicUrl);

  /** On loopback one machine has several names, and cookies and tokens belong to one of them. */
  function misnamed(request: FastifyRequest): boolean {
    return reachedDirectly && request.headers.host !== undefined && request.headers.host !== host;
  }

  function page(served: Pages, status = 200): (request: FastifyRequest, reply: FastifyReply) => Promise<FastifyReply> {
    const path = fileURLToPath(new URL('index.html', served.files));
    return async (request, reply) => {
      if (misnamed(request)) return reply.redirect(`${publicUrl}${request.url}`, 302);
      const html = await readFile(path, 'utf8').catch(() => undefined);
      const nonce = randomBytes(16).toString('base64');
      return reply
        .header('content-security-policy', contentSecurityPolicy(served, origin, nonce))
        .header('x-content-type-options', 'nosniff')
        .header('referrer-policy', 'same-origin')
        .header('cross-origin-opener-policy', served.framed ? 'unsafe-none' : 'same-origin-allow-popups')
        .header('permissions-policy', 'camera=(), microphone=(), geolocation=(), payment=(), usb=()')
        .header('cache-control', 'no-cache')
        .type('text/html; charset=utf-8')
        .code(html === undefined ? 503 : status)
        .send(html?.replace('%STYLE_NONCE%', nonce).replaceAll('__BASE_PATH__', basePath) ?? NOT_BUILT);
    };
  }

  return async (app) => {
    // Browsers ask for it wherever a page names no icon.
    app.get('/favicon.ico', (_, reply) => reply.redirect('/favicon.svg', 302));
    const missing = pages[0] && page(pages[0], 404);
    app.setNotFoundHandler((request, reply) => {
      // Browsers get a page; programs get what they can read.
      if (missing && request.method === 'GET' && request.headers.accept?.includes('text/html')) {
        return missing(request, reply);
      }
      const message = `Route ${request.method}:${request.url} not found`;
      return reply.code(404).send({ message, error: 'Not Found', statusCode: 404 });
    });
    for (const [index, served] of pages.entries()) {
      const answer = page(served);
      for (const route of served.routes) app.get(`${served.path}${route}`, answer);
      await app.register(fastifyStatic, {
        root: fileURLToPath(served.files),
        prefix: served.path,
        index: false,
        wildcard: true,
        dotfiles: 'ignore',
        preCompressed: true,
        decorateReply: index === 0,
        cacheControl: false,
        allowedPath: (file) => !file.endsWith('.html'),
        setHeaders(reply, file) {
          const hashed = file.includes('/assets/');
          reply.header('cache-control', hashed ? 'public, max-age=31536000, immutable' : 'no-cache');
          reply.header('x-content-type-options', 'nosniff');
          // An SVG opened by itself is a page too.
          reply.header('content-security-policy', "default-src 'none'; style-src 'unsafe-inline'");
        },
      });
    }
  };
}
