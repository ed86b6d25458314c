// Loaded before a node: gives it the defect that TEST_BUG names. The checker has to find each of them.
import { Server, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import process from 'node:process';
import { frameOf } from '../../src/http/frame.ts';

const bug = process.env.TEST_BUG;
let count = 0;
/** Whether it is the defect's turn: once in so many. */
const everyOther = (period) => ++count % period === 0;

/** Changes one frame to a subscriber. @returns the frames to send in its place */
const FRAMES = {
  'one lost send in 1,000': (text) => (everyOther(1000) ? [] : [text]),
  'a lost close': (text) => (/"hub\.event":"Patient-close"/.test(text) && everyOther(3) ? [] : [text]),
  'split content': (text) => [everyOther(40) ? text.replace(/"valueInteger":(\d+)/, '"valueInteger":99$1') : text],
  'a rewritten number': (text) => [text.replace(/"value":(\d+)\.10\b/, '"value":$1.1')],
  'a wrong prior version': (text) => [everyOther(20) ? text.replace(/("context\.priorVersionId":")./, '$1!') : text],
  'a wrong version': (text) => [everyOther(20) ? text.replace(/("context\.versionId":")./, '$1!') : text],
  'an event that nobody published': (text) =>
    /"hub\.event":"Patient-open"/.test(text) && everyOther(30)
      ? [text, text.replace(/"id":"[^"]{4}/, '"id":"fake')]
      : [text],
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
    if (before === undefined && everyOther(30)) {
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
    if (isPublishing && bug === 'an event accepted and forgotten' && everyOther(50)) {
      request.resume();
      response.writeHead(202).end();
      return true;
    }
    if (isPublishing && bug === 'an accepted event answered 500' && everyOther(50)) {
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

/** Changes the answer about the current context. */
function tampered(topic, body) {
  if (bug === 'a stale answer') {
    if (!answers.has(topic)) answers.set(topic, body);
    return answers.get(topic);
  }
  if (bug === 'an answer of another context') return String(body).replace(/"id":"p(\d)/, '"id":"q$1');
  return body;
}
