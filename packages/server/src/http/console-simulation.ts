/** Launches made to order for the launch builder: for another user, or for whoever says to be an app. */
import type { SimulationOffer } from '@lockstep/console/wire';
import type { Hub } from '@lockstep/hub';
import type { AuthorizationServer, UserProfile } from '@lockstep/smart';
import type { FastifyInstance } from 'fastify';
import { sampleUser } from '../simulation/person.ts';
import type { StandIns } from '../simulation/stand-ins.ts';
import { clientOf } from './console-apps.ts';
import { type Body, bodyOf, ConsoleError, type PersonOf } from './console-request.ts';

export interface ConsoleSimulationParts {
  readonly origin: string;
  readonly hub: Hub;
  readonly authorization: AuthorizationServer;
  readonly personOf: PersonOf;
  /** Who stands in for apps and users; undefined where launches are not simulated. */
  readonly standIns: StandIns | undefined;
}

function textOf(body: Body, name: string): string | undefined {
  const value = body[name];
  if (value === undefined || value === '') return undefined;
  if (typeof value === 'string' && value.length <= 2000) return value;
  throw new ConsoleError(400, `${name}: send a string.`);
}

export function consoleSimulationRoutes(app: FastifyInstance, parts: ConsoleSimulationParts): void {
  const { origin, hub, authorization, personOf, standIns } = parts;
  const { users } = authorization;

  app.get('/simulation', async (request): Promise<SimulationOffer> => {
    if (!standIns) {
      throw new ConsoleError(
        404,
        'Launches are simulated with sample data, where only this machine reaches the server.',
      );
    }
    const own = personOf(request).user.id;
    const others = (await users.samples()).filter(({ id }) => id !== own);
    return { unchecked: true, users: others.map(({ id, name }) => ({ id, name })) };
  });

  /** The session that a sign-in of the user would open or join. */
  async function topicOf({ id, reference, aliases }: UserProfile): Promise<string> {
    const open = await hub.sessions({ user: reference });
    const found = open.find(({ info }) => info.user === reference && info.workstation === undefined);
    if (found) return found.topic;
    return (await hub.openSession({ user: reference, aliases: [id, ...aliases] })).topic;
  }

  /** @returns the address that an EHR would open, with the server's real FHIR endpoint as `iss` */
  app.post('/simulation/launch', async (request, reply) => {
    if (!standIns)
      throw new ConsoleError(403, 'Such launches are simulated where only this machine reaches the server.');
    const body = bodyOf(request);
    const person = personOf(request);
    const userId = textOf(body, 'user');
    const user = userId === undefined ? person.user : await sampleUser(authorization, userId);
    const topic = user.id === person.user.id ? person.topic : await topicOf(user);
    const [patient, encounter, imagingStudy] = ['patient', 'encounter', 'imaging_study'].map((name) =>
      textOf(body, name),
    );
    const context = {
      ...(patient && { patient }),
      ...(encounter && { encounter }),
      ...(imagingStudy && { imagingStudy }),
    };
    const appId = textOf(body, 'app');
    const client = appId === undefined ? undefined : await clientOf(authorization, appId);
    if (client && body.unchecked !== true) {
      return reply.code(201).send(await authorization.launch(user, { clientId: client.id, topic, ...context }));
    }
    const address = URL.parse(client?.launchUrl ?? textOf(body, 'address') ?? '');
    if (!address || !/^https?:$/.test(address.protocol))
      throw new ConsoleError(400, 'address: begins with https:// or http://');
    address.searchParams.set('iss', `${origin}/fhir`);
    address.searchParams.set('launch', standIns.remember({ user, topic, ...context }));
    return reply.code(201).send({ launch_url: address.href });
  });
}
