import { randomBytes } from 'node:crypto';
import process from 'node:process';
import { text as readAll } from 'node:stream/consumers';
import { CliError, type Command, EXIT } from '../command.ts';
import { administer, DATA_OPTION } from '../local-server.ts';

export const usersAdd: Command = {
  name: 'users add',
  takes: 'NAME',
  summary: 'Add a user who can sign in',
  details:
    'NAME is what the user signs in with. Without a password from standard input a random one is made and shown once.',
  options: {
    'full-name': { type: 'string', value: 'NAME', help: "the person's name; NAME" },
    reference: { type: 'string', value: 'REFERENCE', help: "the user's FHIR resource; Practitioner/NAME" },
    alias: { type: 'string', value: 'ALIAS', multiple: true, help: 'a name in another system, plain or system|value' },
    administrator: { type: 'boolean', help: 'may administer the server' },
    'password-stdin': { type: 'boolean', help: 'read the password from standard input' },
    ...DATA_OPTION,
  },
  examples: [
    {
      line: "lockstep users add mruiz --full-name 'Dr. Marta Ruiz' --alias 'urn:hospital|4711'",
      means: 'a user with an alias',
    },
    { line: 'lockstep users add mruiz --password-stdin < password.txt', means: 'with a password of your own' },
  ],
  async run(call) {
    const { args, values, terminal } = call;
    const [id] = args;
    if (id === undefined) throw new CliError(EXIT.usage, 'the name to sign in with is missing');
    const own = values.flag('password-stdin');
    const password = own ? (await readAll(process.stdin)).replace(/\r?\n$/, '') : randomBytes(12).toString('base64url');
    const reference = values.text('reference');
    const user = await administer(call, (administration) =>
      administration.addUser({
        id,
        name: values.text('full-name') ?? id,
        aliases: values.list('alias'),
        administrator: values.flag('administrator'),
        password,
        ...(reference !== undefined && { reference }),
      }),
    );
    terminal.result({ ...user, ...(!own && { password }) }, () =>
      own ? `added ${user.id}` : `added ${user.id}, with the password ${password}  (shown once)`,
    );
    return EXIT.done;
  },
};
