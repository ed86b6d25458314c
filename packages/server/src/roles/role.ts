/** What stands around the Hub on the same port: everything, or nothing but the trust in other authorization servers. */
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Hub, NodeLease } from '@lockstep/hub';
import type { R4Validator } from '@lockstep/r4';
import type { TokenVerifier, TrustedIssuer } from '@lockstep/smart';
import type { FastifyInstance } from 'fastify';
import type { Logger } from 'pino';
import type { AppHealthCounts } from '../app-health.ts';
import type { ServerAuditTrail } from '../audit/audit-trail.ts';
import type { AddressPolicy } from '../callbacks/address-policy.ts';
import type { Config } from '../config.ts';
import type { AppsAndUsers } from '../http/admin-routes.ts';
import type { Limiter } from '../http/doors/limiter.ts';
import type { Inspector } from '../inspector.ts';
import type { ServerParts } from '../start/parts.ts';
import type { ServerStore } from '../store.ts';
import type { WorkAtStart } from '../work-at-start.ts';

/** What every role builds on. */
export interface RoleParts {
  readonly config: Config;
  readonly version: string;
  /** What clients use, without a trailing slash; with a path where a proxy serves one. */
  readonly publicUrl: string;
  readonly hubUrl: string;
  /** Whether only this machine can reach the server. */
  readonly local: boolean;
  readonly issuers: readonly TrustedIssuer[];
  /** Where the role starts what has to be stopped again. */
  readonly parts: ServerParts;
  readonly store: ServerStore;
  readonly atStart: WorkAtStart;
  readonly nodes: NodeLease | undefined;
  readonly hub: Hub;
  readonly inspector: Inspector;
  readonly health: AppHealthCounts;
  readonly validator: R4Validator;
  readonly policy: AddressPolicy;
  readonly limiter: Limiter;
  readonly audit: ServerAuditTrail | undefined;
  readonly log: Logger;
  /** Hears what fails in the background. */
  readonly failed: (error: unknown) => void;
}

/** Takes an upgrade that is its own. @returns whether it did */
export type Upgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => boolean;

export interface Role {
  readonly authorization: TokenVerifier;
  /** The first administrator and the password to tell once. */
  readonly firstAdministrator?: { readonly user: string; readonly password: string };
  /**
   * Adds the routes beside the Hub's.
   * @returns what administers apps and users, where there are any
   */
  addRoutes(app: FastifyInstance): Promise<AppsAndUsers | undefined>;
  /** Starts what needs the Hub to run. */
  open(): Promise<Upgrade | undefined>;
}
