/** One person invites another into their session, by link. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Stage } from './stage.ts';

let stage: Stage;
before(async () => {
  stage = await Stage.open();
});
after(() => stage.close());

test('a link lets another person in, to follow only, until it is withdrawn', async () => {
  const host = await stage.person(/Lena Okafor/);
  await host.getByRole('link', { name: 'Guests', exact: true }).click();
  await host.getByText('Nobody has come yet.').waitFor();
  await host.getByLabel('Good for').selectOption('15 minutes');
  await host.getByRole('button', { name: 'Make a link' }).click();
  const link = host.getByRole('region', { name: 'Links' }).locator('pre');
  const address = await link.innerText();
  assert.ok(address.startsWith(`${stage.origin}/join/`));
  await host.reload();
  assert.equal(await link.innerText(), address, 'the link is there after loading the page again');

  const guest = await stage.person(/Mei Tanaka/);
  await guest.goto(address);
  await guest.getByRole('button', { name: 'Join' }).click();
  await guest.getByText('You follow the session of Dr. Lena Okafor.').waitFor();
  const topic = await guest
    .locator('[data-testid="copyable"]')
    .filter({ hasText: 'hub.topic' })
    .locator('pre')
    .innerText();
  assert.ok(topic.length > 20);

  await host.getByRole('button', { name: 'Look again' }).click();
  const came = host.getByRole('region', { name: 'Who came' }).getByRole('listitem');
  await came.filter({ hasText: /Dr\. Mei Tanaka · follows only, since/ }).waitFor();
  await guest.getByRole('button', { name: 'Leave' }).click();
  await guest.getByText('You have left the session.').waitFor();
  await host.getByRole('button', { name: 'Look again' }).click();
  await host.getByText('Nobody has come yet.').waitFor();

  await guest.getByRole('button', { name: 'Join' }).click();
  await guest.getByText('You follow the session of Dr. Lena Okafor.').waitFor();
  await host.getByRole('button', { name: 'Withdraw: To follow only' }).click();
  await link.waitFor({ state: 'detached' });
  await host.getByText('Nobody has come yet.').waitFor();
  stage.provoked.push(/404 POST \S+\/hub\/invitation\//);
  await guest.goto(address);
  await guest.getByRole('button', { name: 'Join' }).click();
  await guest.getByRole('alert').filter({ hasText: 'It did not work' }).waitFor();
});

test('a guest sees that they take part, and an invented link lets no one in', async () => {
  const host = await stage.person(/Tomas Lindqvist/);
  await host.goto(`${stage.origin}/guests`);
  await host.getByLabel('To follow only').uncheck();
  await host.getByRole('button', { name: 'Make a link' }).click();
  const address = await host.getByRole('region', { name: 'Links' }).locator('pre').innerText();
  const guest = await stage.person(/Lena Okafor/);
  await guest.goto(address);
  await guest.getByRole('button', { name: 'Join' }).click();
  await guest.getByText('You take part in the session of Dr. Tomas Lindqvist.').waitFor();
  stage.provoked.push(/40[0-9] POST \S+\/hub\/invitation\//);
  for (const code of ['nobody-made-this', '%3Cscript%3E', 'x'.repeat(500)]) {
    await guest.goto(`${stage.origin}/join/${code}`);
    await guest.getByRole('button', { name: 'Join' }).click();
    await guest.getByRole('alert').filter({ hasText: 'It did not work' }).waitFor();
  }
  assert.deepEqual(stage.complaints, []);
});
