import { type Html, html } from '../html.ts';
import type { PageLanguage, Said } from './page-language.ts';

/** What every page is made with. */
export interface PageSetting {
  /** What the paths of our pages begin with (`AuthorizationAddresses.path`). */
  readonly base: string;
  readonly language: PageLanguage;
  /** Where another language can be chosen: the tags that there are, and the path that shows the page again. */
  readonly choice?: { readonly tags: readonly string[]; readonly here: string } | undefined;
}

/**
 * A whole page.
 * @param title names the page first, as screen readers announce it
 */
export function page({ base, language, choice }: PageSetting, title: string, body: Html): string {
  return html`<!doctype html>
<html lang="${language.tag}"${language.isRightToLeft ? html` dir="rtl"` : undefined}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} &middot; Lockstep</title>
<link rel="stylesheet" href="${base}/auth/style.css">
</head>
<body>
<main>
<p class="brand" aria-hidden="true">Lockstep</p>
${body}
${choice && languageChoice(base, language, choice)}
</main>
</body>
</html>
`.toString();
}

/** The other languages, each in its own words. */
function languageChoice(
  base: string,
  language: PageLanguage,
  choice: NonNullable<PageSetting['choice']>,
): Html | undefined {
  const others = choice.tags.filter((tag) => tag !== language.tag);
  if (others.length === 0) return undefined;
  return html`<nav class="languages" aria-label="${language.words('Language')}">${others.map((tag) => {
    const query = new URLSearchParams({ to: tag, return: choice.here }).toString();
    return html` <a href="${base}/auth/language?${query}" lang="${tag}" hreflang="${tag}">${ownName(tag)}</a>`;
  })}</nav>`;
}

/** What a language calls itself. */
function ownName(tag: string): string {
  return new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag;
}

/** The hidden field that shows that a form came from our page. */
export function csrfField(csrf: string): Html {
  return html`<input type="hidden" name="csrf" value="${csrf}">`;
}

/** A sentence for people, and what others say about it as it came. */
function told({ sentence, values, detail }: Said, { words }: PageLanguage): Html {
  return html`${words(sentence, ...values)}${detail === undefined ? undefined : html` <code>${detail}</code>`}`;
}

export function problem(message: Said | undefined, language: PageLanguage): Html | undefined {
  return message === undefined ? undefined : html`<p class="problem" role="alert">${told(message, language)}</p>`;
}

/** @param error code of OAuth or of ours */
export function errorPage(setting: PageSetting, error: string, message: Said): string {
  const { words } = setting.language;
  const again =
    'Close this window and start again from your application. If it happens again, tell whoever looks after it.';
  return page(
    setting,
    words('This did not work'),
    html`<h1>${words('This did not work')}</h1>
<p role="alert">${told(message, setting.language)}</p>
<p class="quiet">${words('Error code:')} <code>${error}</code></p>
<p>${words(again)}</p>`,
  );
}

/** Sends a browser that shows it to an address at once. */
export function forwardPage({ language }: PageSetting, url: string): string {
  return html`<!doctype html><html lang="${language.tag}"><head><meta charset="utf-8"><title>${language.words('Signing in')}</title>
<meta http-equiv="refresh" content="0;url=${url}"></head><body><a href="${url}">${language.words('Continue')}</a></body></html>`.toString();
}

/** Dark by default, light where the person prefers it; contrast of text at least 7:1. */
export const STYLE = `
:root { color-scheme: dark; --ground: #12161c; --panel: #1b212a; --text: #e8ecf1; --quiet: #aeb8c4; --line: #3a4552;
  --accent: #7fb4ff; --on-accent: #0b1220; --problem: #ffb4a8; }
@media (prefers-color-scheme: light) {
  :root { color-scheme: light; --ground: #f3f5f8; --panel: #ffffff; --text: #1a2129; --quiet: #48535f; --line: #b9c2cc;
    --accent: #0b4fa8; --on-accent: #ffffff; --problem: #9b1c0c; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 1rem/1.5 system-ui, sans-serif;
  overflow-wrap: anywhere; }
main { max-width: 34rem; margin: 6vh auto; padding: 1.5rem 2rem 2rem; background: var(--panel); border: 1px solid var(--line);
  border-radius: 0.75rem; }
.brand { margin: 0 0 1rem; color: var(--quiet); letter-spacing: 0.08em; text-transform: uppercase; font-size: 0.8rem; }
h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 0.75rem; }
h2, legend { font-size: 1rem; font-weight: 600; margin: 1.25rem 0 0.25rem; padding: 0; }
fieldset { border: 0; margin: 0; padding: 0; }
.quiet { color: var(--quiet); }
.problem { color: var(--problem); font-weight: 600; }
label { display: block; }
label.choice { display: flex; gap: 0.6rem; padding: 0.3rem 0; align-items: baseline; }
input[type=text], input[type=password], input[type=search] { width: 100%; padding: 0.55rem 0.7rem; margin: 0.2rem 0 0.9rem;
  font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: 0.4rem; }
input[type=checkbox], input[type=radio] { accent-color: var(--accent); width: 1.05rem; height: 1.05rem; flex: none; }
button { font: inherit; padding: 0.55rem 1.1rem; border-radius: 0.4rem; border: 1px solid var(--line); background: none;
  color: var(--text); cursor: pointer; }
button.main { background: var(--accent); border-color: var(--accent); color: var(--on-accent); font-weight: 600; }
button.row { display: block; width: 100%; text-align: left; margin: 0.4rem 0; }
:is(button, input, a):focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
a { color: var(--accent); }
.actions { display: flex; gap: 0.75rem; margin-top: 1.5rem; flex-wrap: wrap; }
strong, li { unicode-bidi: isolate; }
code { font-size: 0.9em; }
.logo { max-height: 3rem; max-width: 100%; }
.languages { margin-top: 2rem; }
ul { padding-left: 1.2rem; }
@media (max-width: 36rem) { main { margin: 0; border-radius: 0; border-width: 0; min-height: 100vh; } }
`;
