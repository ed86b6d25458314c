/** Launches made to order for the launch builder: for another user, or for any client that claims to be an app. */
import type { SimulationOffer } from '@lockstep/console/wire';
import type { AuthorizationServer } from '@lockstep/smart';
import type { FastifyInstance } from 'fastify';
import type { LaunchContexts } from '../simulation/contexts.ts';
import { SimulatedPeople } from '../simulation/person.ts';
import type { StandIns } from '../simulation/stand-ins.ts';
import { clientOf } from './console-apps.ts';
import { type Body, bodyOf, ConsoleError, type PersonOf } from './console-request.ts';

export interface ConsoleSimulationParts {
  readonly publicUrl: string;
  readonly authorization: AuthorizationServer;
  readonly personOf: PersonOf;
  /** Undefined where launches are not simulated. */
  readonly simulation: SimulationParts | undefined;
}

/** What makes launches to order. */
export interface SimulationParts {
  readonly standIns: StandIns;
  readonly people: SimulatedPeople;
  readonly contexts: LaunchContexts;
}

function textOf(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && value.length <= 2000) return value;
  throw new ConsoleError(400, `${name}: send a string.`);
}

export function consoleSimulationRoutes(app: FastifyInstance, parts: ConsoleSimulationParts): void {
  const { publicUrl, authorization, personOf, simulation } = parts;
  const { users } = authorization;

  app.get('/simulation', async (request): Promise<SimulationOffer> => {
    if (!simulation) {
      throw new ConsoleError(
        404,
        'Launches are simulated with sample data, where only this machine reaches the server.',
      );
    }
    const own = personOf(request).user.id;
    const others = (await users.samples()).filter(({ id }) => id !== own);
    return { unchecked: true, users: others.map(({ id, name }) => ({ id, name })) };
  });

  /** @returns the address that an EHR would open, with the server's real FHIR endpoint as `iss` */
  app.post('/simulation/launch', async (request, reply) => {
    if (!simulation)
      throw new ConsoleError(403, 'Such launches are simulated where only this machine reaches the server.');
    const { standIns, people, contexts } = simulation;
    const body = bodyOf(request);
    const person = personOf(request);
    const userId = textOf(body, 'user');
    const user = userId === undefined ? person.user : await people.find(SimulatedPeople.named(userId));
    const topic = user.id === person.user.id ? person.topic : await contexts.topicOf(user);
    const [patient, encounter, imagingStudy] = ['patient', 'encounter', 'imaging_study'].map((name) =>
      textOf(body, name),
    );
    const picked = {
      ...(patient && { patient }),
      ...(encounter && { encounter }),
      ...(imagingStudy && { imagingStudy }),
    };
    const context = await contexts.complete(user, picked, body.skip_pickers === true);
    const consented = body.skip_consent === true;
    const appId = textOf(body, 'app');
    const client = appId === undefined ? undefined : await clientOf(authorization, appId);
    if (client && body.unchecked !== true) {
      if (client.launchUrl === undefined) throw new ConsoleError(400, 'app: it has no launch URL');
      const launch = await authorization.prepareLaunch(user, { clientId: client.id, topic, consented, ...context });
      return reply.code(201).send({ launch_url: launchAddress(client.launchUrl, launch) });
    }
    const address = URL.parse(client?.launchUrl ?? textOf(body, 'address') ?? '');
    if (!address || !/^https?:$/.test(address.protocol))
      throw new ConsoleError(400, 'address: begins with https:// or http://');
    const launch = standIns.remember({ user, topic, consented, ...context });
    return reply.code(201).send({ launch_url: launchAddress(address.href, launch) });
  });

  function launchAddress(base: string, launch: string): string {
    const url = new URL(base);
    url.searchParams.set('iss', `${publicUrl}/fhir`);
    url.searchParams.set('launch', launch);
    return url.href;
  }
}
