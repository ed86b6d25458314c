/** The check of another issuer's JWT (REG-5), in this process: by the library alone, the first time, and while its answer is kept. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readTrustedIssuers } from '@lockstep/smart';
import { createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';
import { cpuOf, openAuthorization } from './authorization.ts';
import { median } from './measure.ts';
import type { Row, Scenario, Section } from './scenario.ts';
import { ratio } from './turns.ts';

const ALGORITHMS = ['RS256', 'ES256'];
const TOKENS = 1_000;
/** Whose tokens they are: each person has some, an application each. */
const PEOPLE = 50;
const TURNS = 5;
const KEPT = 100_000;
const HOUR = 3_600;

async function run(say: (line: string) => void): Promise<readonly Section[]> {
  const keys = await Promise.all(
    ALGORITHMS.map(async (alg) => ({ alg, ...(await generateKeyPair(alg, { extractable: true })) })),
  );
  const jwks = {
    keys: await Promise.all(
      keys.map(async ({ alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' })),
    ),
  };
  const issuer = createServer((request, response) => {
    const configuration = { issuer: at, jwks_uri: `${at}/jwks` };
    const body = request.url === '/jwks' ? jwks : configuration;
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }).listen(0, '127.0.0.1');
  await once(issuer, 'listening');
  const at = `http://localhost:${(issuer.address() as AddressInfo).port}`;
  const file = { issuers: [{ name: 'other', issuer: at, audience: 'lockstep', algorithms: ALGORITHMS }] };
  const { server, close } = await openAuthorization({
    trustedIssuers: readTrustedIssuers(JSON.stringify(file), () => ''),
  });
  try {
    const rows: Row[] = [];
    const findKey = createLocalJWKSet(jwks);
    for (const { alg, privateKey } of keys) {
      say(alg);
      const sign = (subject: string, jti: string) =>
        new SignJWT({ jti, azp: 'viewer', scope: 'openid fhircast/*.*', preferred_username: `person-${subject}` })
          .setProtectedHeader({ alg, kid: alg })
          .setIssuer(at)
          .setAudience('lockstep')
          .setSubject(subject)
          .setIssuedAt()
          .setExpirationTime(Math.floor(Date.now() / 1000) + HOUR)
          .sign(privateKey);
      const bare: number[] = [];
      const first: number[] = [];
      const kept: number[] = [];
      for (let turn = 0; turn <= TURNS; turn++) {
        const tokens = await Promise.all(
          Array.from({ length: TOKENS }, (_, n) => sign(`${n % PEOPLE}`, `${turn}-${n}`)),
        );
        const one = tokens[0]!;
        const claims = { issuer: at, audience: 'lockstep', algorithms: [alg] };
        bare.push(await cpuOf(TOKENS, (index) => jwtVerify(tokens[index]!, findKey, claims)));
        first.push(await cpuOf(TOKENS, (index) => server.verifyToken(tokens[index]!)));
        await server.verifyToken(one);
        kept.push(await cpuOf(KEPT, () => server.verifyToken(one)));
      }
      // The first turn warms up.
      const [alone, checked] = [bare.slice(1), first.slice(1)];
      const values = { bare: median(alone), first: median(checked), ratio: ratio(checked, alone) };
      rows.push({ label: alg, values: { ...values, kept: median(kept.slice(1)) } });
    }
    const most = (column: string) => Math.max(...rows.map(({ values }) => values[column]!));
    return [
      {
        title: 'Tokens of trusted issuers',
        note: `CPU of checking a JWT with a key that is known: each of ${TOKENS} tokens of ${PEOPLE} people by jwtVerify of jose alone and for the first time here, and one while the answer is kept; medians of ${TURNS} turns.`,
        columns: [
          { key: 'bare', title: 'jose alone, CPU µs', digits: 1 },
          { key: 'first', title: 'first check, CPU µs', digits: 1 },
          { key: 'ratio', title: '× jose alone', digits: 2 },
          { key: 'kept', title: 'kept, CPU µs', digits: 2 },
        ],
        rows,
        goals: [
          { what: 'CPU of the first check of a JWT', reached: most('first'), limit: 100, unit: 'µs' },
          { what: 'CPU of a check while the answer is kept', reached: most('kept'), limit: 5, unit: 'µs' },
        ],
      },
    ];
  } finally {
    issuer.close();
    issuer.closeAllConnections();
    await close();
  }
}

export const issuers: Scenario = { name: 'issuers', run };
