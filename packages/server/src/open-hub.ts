import type { ConformanceSpec } from '@lockstep/console/wire';
import {
  type AuditTrail,
  CORE,
  Hub,
  type HubPorts,
  IRA,
  type NodeLease,
  type Observer,
  type ResourceValidation,
  STU1,
  STU2,
  type UserDirectory,
} from '@lockstep/hub';
import { type R4Validator, ValidationThread } from '@lockstep/r4';
import type { UserNames } from '@lockstep/smart';
import type { SessionStore } from '@lockstep/store';
import type { AddressPolicy } from './callbacks/address-policy.ts';
import { RecordCursors } from './callbacks/cursors.ts';
import { HttpCallbacks } from './callbacks/http-callbacks.ts';
import type { Config } from './config.ts';
import { EventValidation } from './event-validation.ts';
import { endpointPath } from './http/sockets.ts';
import type { ServerStore } from './store.ts';
import { systemClock, systemIds } from './system.ts';

/** Specifications by the name that the configuration has for them. */
export const PROFILES = { core: CORE, ira: IRA, stu2: STU2, stu1: STU1 } as const;

/** Whether IHE IRA's elements of FHIR R5 may be published and stored, whatever the client says (FHR-7). */
export function allowsR5({ profile }: Config): boolean {
  return profile === 'ira';
}

/** How published resources are looked into; undefined where they are not (PUB-5). */
function resourceValidation(config: Config, validator: R4Validator): ResourceValidation | undefined {
  if (config.validation !== 'fhir') return undefined;
  validator.load();
  return new EventValidation({ validator, thread: new ValidationThread(), r5: allowsR5(config) });
}

/** What the Hub works with. */
export interface HubParts {
  readonly validator: R4Validator;
  readonly sessions: SessionStore;
  readonly nodeId: string;
  readonly nodes?: NodeLease;
  /** Absent for a Hub beside an EHR that knows its users: here each is who they are called. */
  readonly users?: UserNames;
  readonly derivedTopics: NonNullable<HubPorts['derivedTopics']>;
  readonly observer?: Observer;
  readonly audit?: AuditTrail;
  /** See `HubPorts`. */
  readonly committed?: (ms: number) => void;
  readonly failed: (error: unknown) => void;
  readonly webhooks?: { readonly callbacks: HttpCallbacks; readonly cursors: RecordCursors };
}

/** The way to webhook callbacks; undefined where there are to be none. */
export function openWebhooks(config: Config, store: ServerStore, policy: AddressPolicy): HubParts['webhooks'] {
  if (!config.webhooks || !PROFILES[config.profile].channels.includes('webhook')) return undefined;
  return {
    callbacks: new HttpCallbacks({ policy, clock: systemClock, timeoutMs: config.answerSeconds * 1000 }),
    cursors: new RecordCursors(store.records, systemClock),
  };
}

/** What the conformance suite can hold the Hub to. */
export function conformanceSpecs({ profile, webhooks }: Config): readonly ConformanceSpec[] {
  const specs: Readonly<Record<Config['profile'], readonly ConformanceSpec[]>> = {
    core: webhooks ? ['3.0.0', 'STU2'] : ['3.0.0'],
    ira: ['IRA'],
    stu2: ['STU2'],
    stu1: [],
  };
  return specs[profile];
}

/** The people behind names, as the Hub asks for them. */
function userDirectory(users: UserNames): UserDirectory {
  return {
    async resolve(name) {
      const user = await users.resolve(name);
      return user && { user: user.reference, aliases: [user.id, ...user.aliases] };
    },
  };
}

/** The Hub that the configuration describes. */
export function openHub(
  config: Config,
  publicUrl: string,
  { validator, sessions, nodeId, nodes, users, derivedTopics, observer, audit, committed, failed, webhooks }: HubParts,
): Hub {
  const validation = resourceValidation(config, validator);
  return new Hub(
    {
      hubUrl: `${publicUrl}/hub`,
      endpointUrl: (id) => `${publicUrl.replace(/^http/, 'ws')}${endpointPath(id)}`,
      profile: PROFILES[config.profile],
      nodeId,
      createsSessions: config.createSessions,
      defaultLeaseSeconds: config.leaseSeconds,
      maxLeaseSeconds: config.maxLeaseSeconds,
      graceMs: config.graceSeconds * 1000,
      holdOffMs: config.holdOffMilliseconds,
      maxSubscriptionsPerSession: config.maxSubscriptions,
      maxSubscriptionsPerClient: config.maxSubscriptionsPerClient,
      maxSubscriptionsPerUser: config.maxSubscriptionsPerUser,
      maxSessionsPerClient: config.maxSessionsPerClient,
      maxSessionsPerAddress: config.maxSessionsPerAddress,
      maxSessionsPerUser: config.maxSessionsPerUser,
      answerMs: config.answerSeconds * 1000,
      maxMisses: config.maxUnanswered,
      acknowledgements: config.acknowledgements,
      heartbeatMs: config.heartbeatSeconds * 1000,
      startsForUnknownUsers: config.unknownUsers,
      idleMs: config.idleHours * 3_600_000,
      logCount: config.logEvents,
      maxSessionBytes: config.sessionBytes,
    },
    {
      store: sessions,
      clock: systemClock,
      ids: systemIds,
      ...(users && { users: userDirectory(users) }),
      derivedTopics,
      ...(validation && { validation }),
      ...(observer && { observer }),
      ...(audit && { audit }),
      ...(committed && { committed }),
      failed,
      ...(nodes && { nodes }),
      ...webhooks,
    },
  );
}
