// Loaded before a node: gives it the defect that TEST_BUG names. The checker has to find each of them. The file that
// TEST_BUG_LOG names grows by one byte whenever the defect has done something wrong.
import { appendFileSync } from 'node:fs';
import { Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import process from 'node:process';
import { frameOf } from '../../src/http/frame.ts';

const bug = process.env.TEST_BUG;
let chances = 0;

/** Whether it is the defect's turn: once in so many chances. */
function isTurn(period) {
  chances += 1;
  return chances % period === 0;
}

function countHit() {
  appendFileSync(process.env.TEST_BUG_LOG, '.');
}

/**
 * A defect of frames to subscribers.
 * @param pattern what it can be done to
 * @param period one in so many of those
 * @param change frames in place of the one
 */
function frames(pattern, period, change) {
  return (text) => {
    if (!pattern.test(text) || !isTurn(period)) return [text];
    countHit();
    return change(text);
  };
}

const replaced = (pattern, period, by) => frames(pattern, period, (text) => [text.replace(pattern, by)]);

const FRAMES = {
  'one lost send in 1,000': frames(/^/, 1000, () => []),
  'a lost close': frames(/"hub\.event":"Patient-close"/, 3, () => []),
  'split content': replaced(/"valueInteger":(\d+)/, 40, '"valueInteger":99$1'),
  'a rewritten number': replaced(/"value":(\d+)\.10\b/, 1, '"value":$1.1'),
  'a wrong prior version': replaced(/("context\.priorVersionId":")./, 20, '$1!'),
  'a wrong version': replaced(/("context\.versionId":")./, 20, '$1!'),
  'an event that nobody published': frames(/"hub\.event":"Patient-open"/, 10, (text) => [
    text,
    text.replace(/"id":"[^"]{4}/, '"id":"fake'),
  ]),
};

/** The text of a frame that carries an event; undefined for anything else. */
function eventIn(data) {
  if (!(data instanceof Uint8Array) || data[0] !== 0x81) return undefined;
  const head = data[1] < 126 ? 2 : data[1] === 126 ? 4 : 10;
  const text = Buffer.from(data.subarray(head)).toString();
  return text.includes('"hub.event"') ? text : undefined;
}

const held = new WeakMap();
const { write } = Socket.prototype;
Socket.prototype.write = function (data, ...rest) {
  const text = eventIn(data);
  if (text === undefined) return write.call(this, data, ...rest);
  if (bug === 'swapped order') {
    const before = held.get(this);
    held.delete(this);
    if (before !== undefined) countHit();
    else if (isTurn(30)) {
      held.set(this, text);
      return true;
    }
    const isWritten = write.call(this, data, ...rest);
    return before === undefined ? isWritten : write.call(this, frameOf(Buffer.from(before)));
  }
  let isWritten = true;
  for (const frame of FRAMES[bug]?.(text) ?? [text]) isWritten = write.call(this, frameOf(Buffer.from(frame)));
  return isWritten;
};

const emit = Server.prototype.emit;
const answers = new Map();
Server.prototype.emit = function (event, request, response, ...rest) {
  if (event === 'request' && response instanceof ServerResponse) {
    const isPublishing =
      request.method === 'POST' && request.headers['content-type'] === 'application/json' && request.url === '/hub';
    if (isPublishing && bug === 'an event accepted and forgotten' && isTurn(50)) {
      countHit();
      request.resume();
      response.writeHead(202).end();
      return true;
    }
    if (isPublishing && bug === 'an accepted event answered 500' && isTurn(50)) {
      countHit();
      const { writeHead } = response;
      response.writeHead = (_status, ...more) => writeHead.call(response, 500, ...more);
    }
    const topic = /^\/hub\/[0-9a-f-]{36}$/.exec(request.url ?? '')?.[0];
    if (request.method === 'GET' && topic !== undefined) {
      const { end, writeHead } = response;
      // Its length may be another one.
      response.writeHead = (status, headers, ...more) => {
        if (headers) delete headers['content-length'];
        return writeHead.call(response, status, headers, ...more);
      };
      response.end = (body, ...more) => end.call(response, tampered(topic, body), ...more);
    }
  }
  return emit.call(this, event, request, response, ...rest);
};

/** What is answered in place of what is so. */
function tampered(topic, body) {
  const text = String(body);
  if (bug === 'a stale answer' && !answers.has(topic)) answers.set(topic, text);
  const told =
    bug === 'a stale answer'
      ? answers.get(topic)
      : bug === 'an answer of another context'
        ? text.replace(/"id":"p(\d)/, '"id":"q$1')
        : text;
  if (told !== text) countHit();
  return told;
}
