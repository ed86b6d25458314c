import { readdirSync } from 'node:fs';
import process from 'node:process';

/** File descriptors that stay free for the store, for calls to others and for HTTP requests: an eighth, within these bounds. */
const LEAST_RESERVE = 32;
const MOST_RESERVE = 256;

/** File descriptors that a process has open where the system does not tell. */
const USUALLY_OPEN = 64;

/** File descriptors of this process. */
export interface Descriptors {
  /** How many it may have open (`ulimit -n`); Infinity where there is no limit. */
  readonly limit: number;
  /** How many it has open now. */
  readonly open: number;
}

export function ownDescriptors(): Descriptors {
  // Without it the report looks up the names of all peers.
  Object.assign(process.report, { excludeNetwork: true });
  const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } };
  const limit = Number(report.userLimits?.open_files?.soft);
  try {
    return { limit: limit > 0 ? limit : Number.POSITIVE_INFINITY, open: readdirSync('/dev/fd').length };
  } catch {
    return { limit: limit > 0 ? limit : Number.POSITIVE_INFINITY, open: USUALLY_OPEN };
  }
}

interface Log {
  error(message: string): void;
  warn(message: string): void;
}

/**
 * How many connections the process can hold. The last part of the room is not given to WebSockets, which stay for hours: without it
 * the store could open no file, and no client could publish.
 */
export class ConnectionRoom {
  /** Connections up to which WebSockets are taken. */
  readonly forSockets: number;
  /** Connections of all kinds that are taken at most. */
  readonly forAll: number;
  readonly #limit: number;
  readonly #connections: () => number;
  readonly #log: Log;
  #wasFull = false;
  #refused = 0;

  /**
   * @param descriptors of the process without connections
   * @param connections how many there are now
   */
  constructor({ limit, open }: Descriptors, connections: () => number, log: Log) {
    const room = Math.max(0, limit - open);
    const reserve = Math.min(MOST_RESERVE, Math.max(LEAST_RESERVE, Math.floor(room / 8)));
    this.#limit = limit;
    this.forSockets = Math.max(1, room - reserve);
    this.forAll = Math.max(2, room - Math.floor(reserve / 2));
    this.#connections = connections;
    this.#log = log;
  }

  /** Connections that there are now. */
  get connections(): number {
    return this.#connections();
  }

  /** WebSockets refused for want of room. */
  get refused(): number {
    return this.#refused;
  }

  /** Whether the connection that was just made may become a WebSocket; false is counted, and logged when it begins. */
  admits(): boolean {
    const fits = this.#connections() <= this.forSockets;
    if (!fits) {
      this.#refused += 1;
      if (!this.#wasFull) this.#log.error(`New WebSockets are refused: ${this.#reason}`);
      this.#wasFull = true;
    } else if (this.#wasFull) {
      this.#wasFull = false;
      this.#log.warn('WebSockets are taken again');
    }
    return fits;
  }

  /** What is wrong now, in words for the operator. */
  get problems(): readonly string[] {
    return this.#connections() < this.forSockets ? [] : [`new WebSockets are refused: ${this.#reason}`];
  }

  get #reason(): string {
    return `the process may have ${this.#limit} files and connections open (ulimit -n), and has nearly as many`;
  }
}
