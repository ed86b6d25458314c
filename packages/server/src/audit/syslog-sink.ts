/** Audit records by syslog (RFC 5424): over UDP (RFC 5426), TCP (RFC 6587, octet counting) or TLS (RFC 5425). */
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { AuditSink } from './sink.ts';

/** Facility "log audit" (13), severity "informational" (6) and "warning" (4). */
const FACILITY = 13;
const INFORMATIONAL = 6;
const WARNING = 4;
/** What ITI-20 names the message. */
const MESSAGE_ID = 'IHE+FHIR-AuditEvent';
const TIMEOUT = 10_000;

export interface SyslogTarget {
  readonly protocol: 'udp' | 'tcp' | 'tls';
  readonly host: string;
  readonly port: number;
}

/** @throws Error in words for the operator */
export function parseSyslogUrl(text: string): SyslogTarget {
  const url = URL.parse(text.replace(/^(udp|tcp|tls):/, 'http:'));
  const protocol = /^(udp|tcp|tls):\/\//.exec(text)?.[1] as SyslogTarget['protocol'] | undefined;
  if (!url || !protocol || url.hostname === '' || url.pathname !== '/' || url.search || url.hash || url.username) {
    throw new Error('must be udp://host:514, tcp://host:514 or tls://host:6514');
  }
  const host = url.hostname.replace(/^\[|\]$/g, '');
  // `http:` has swallowed its own default port.
  const port = Number(/:(\d+)\/?$/.exec(text)?.[1] ?? (protocol === 'tls' ? 6514 : 514));
  return { protocol, host, port };
}

/** A message's bytes: header, no structured data, the record in UTF-8. */
export function syslogMessage(line: string, host: string, pid: number): Buffer {
  const { recorded, outcome } = JSON.parse(line) as { recorded: string; outcome: string };
  const priority = FACILITY * 8 + (outcome === '0' ? INFORMATIONAL : WARNING);
  // The byte order mark says that what follows is UTF-8 (RFC 5424 section 6.4).
  return Buffer.from(`<${priority}>1 ${recorded} ${host} lockstep ${pid} ${MESSAGE_ID} - \uFEFF${line}`);
}

export class SyslogSink implements AuditSink {
  readonly name = 'syslog';
  readonly #target: SyslogTarget;
  readonly #host: string;
  readonly #pid: number;
  #datagrams: DatagramSocket | undefined;
  #stream: Socket | undefined;

  /** @param host this machine's name in the messages */
  constructor(target: SyslogTarget, host: string, pid: number) {
    this.#target = target;
    this.#host = host.replace(/[^!-~]/g, '') || '-';
    this.#pid = pid;
  }

  async write(lines: readonly string[]): Promise<void> {
    const messages = lines.map((line) => syslogMessage(line, this.#host, this.#pid));
    if (this.#target.protocol === 'udp') return this.#sendDatagrams(messages);
    const stream = await this.#connected();
    const framed = Buffer.concat(messages.flatMap((one) => [Buffer.from(`${one.length} `), one]));
    await new Promise<void>((resolve, reject) => {
      stream.write(framed, (error) => (error ? reject(error) : resolve()));
    });
  }

  async #sendDatagrams(messages: readonly Buffer[]): Promise<void> {
    const { host, port } = this.#target;
    this.#datagrams ??= createSocket(host.includes(':') ? 'udp6' : 'udp4').unref();
    const socket = this.#datagrams;
    for (const message of messages) {
      await new Promise<void>((resolve, reject) => {
        socket.send(message, port, host, (error) => (error ? reject(error) : resolve()));
      });
    }
  }

  async #connected(): Promise<Socket> {
    if (this.#stream && !this.#stream.destroyed) return this.#stream;
    const { protocol, host, port } = this.#target;
    const tls = protocol === 'tls';
    const stream = tls ? connectTls({ host, port, servername: host }) : connectTcp({ host, port });
    stream.setTimeout(TIMEOUT, () => {
      if (stream.connecting) stream.destroy(new Error('it does not answer'));
    });
    await once(stream, tls ? 'secureConnect' : 'connect');
    stream.unref();
    // Nothing comes back; an end shows at the next write.
    stream.on('error', () => stream.destroy());
    stream.on('end', () => stream.destroy());
    stream.resume();
    this.#stream = stream;
    return stream;
  }

  async close(): Promise<void> {
    this.#datagrams?.close();
    this.#stream?.end();
  }
}
