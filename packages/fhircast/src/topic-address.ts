/** Topics written as addresses of their Hub, as the first draft has them (SES-9). */

/** @param hubUrl without a slash at its end */
export function topicAddress(hubUrl: string, topic: string): string {
  return `${hubUrl}/${encodeURIComponent(topic)}`;
}

/**
 * The topic that is meant, where `{hub.url}/{topic}` may stand for it.
 * @param hubUrl without a slash at its end; `/api/hub` stands for `/hub` (OHIF)
 * @returns what is no address of this Hub, as it is
 */
export function topicIn(hubUrl: string, written: string): string {
  const lower = written.toLowerCase();
  const base = hubUrl.toLowerCase();
  const prefix = [`${base}/`, `${base.replace(/\/hub$/, '/api/hub')}/`].find((one) => lower.startsWith(one));
  if (prefix === undefined) return written;
  const topic = written.slice(prefix.length).replace(/(?<!\/)\/+$/, '');
  try {
    return decodeURIComponent(topic);
  } catch {
    return topic;
  }
}
