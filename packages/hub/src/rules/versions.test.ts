import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CORE, IRA, publisherRules, STU1, STU2, subscriptionRules, VERSIONS, versionNamed } from './versions.ts';

describe('the versions', () => {
  it('each stand under their name', () => {
    for (const [name, version] of Object.entries(VERSIONS)) assert.equal(version.name, name);
    assert.equal(versionNamed('stu1'), STU1);
    assert.equal(versionNamed('3.0.0'), CORE);
    for (const name of ['', 'STU3', 'constructor', '__proto__', 3, undefined])
      assert.equal(versionNamed(name), undefined);
  });

  it('3.0.0 asks for what the digest of its rules says', () => {
    assert.equal(CORE.syncErrorSeverity, 'warning');
    assert.ok(CORE.derivesOpens && !CORE.subscriberNameRequired && !CORE.secretRequired);
  });
});

describe('WEB-5 the version that a subscription follows', () => {
  const name = (rules: object): string => (rules as { name: string }).name;

  it('is the Hub’s, unless its form shows another one', () => {
    assert.equal(subscriptionRules({}, {}, CORE), CORE);
    assert.equal(subscriptionRules({}, {}, IRA), IRA);
    assert.equal(subscriptionRules({ version: 'STU1' }, {}, CORE), STU1);
    assert.equal(subscriptionRules({ version: 'STU1' }, {}, STU2), STU1);
    assert.equal(subscriptionRules({ version: 'STU1' }, {}, IRA), IRA, 'IRA has no webhooks');
  });

  it('is what its client is registered for, before everything else', () => {
    for (const version of ['STU1', 'STU2', '3.0.0', 'ira']) {
      assert.equal(name(subscriptionRules({ version: 'STU1' }, { fhircast: version }, CORE)), version.toUpperCase());
    }
    assert.equal(subscriptionRules({}, { fhircast: 'STU9' }, CORE), CORE, 'a name that is none says nothing');
  });

  it('writes names in lower case for clients that are registered for that', () => {
    const { spelling } = subscriptionRules({}, { fhircast: 'STU2', lowerCaseEvents: true }, CORE);
    assert.deepEqual(spelling, { names: 'lower', versions: 'context and bare' });
    assert.deepEqual(subscriptionRules({}, { lowerCaseEvents: 'yes' }, CORE).spelling, CORE.spelling);
  });

  it('reads and writes the content of the drafts for clients that are registered for that', () => {
    const { spelling } = subscriptionRules({}, { draftContent: true, lowerCaseEvents: true }, CORE);
    assert.deepEqual(spelling, { names: 'lower', versions: 'context', drafts: true });
    const reads = (switches: object, hub = CORE) => publisherRules(switches, hub).reads;
    assert.deepEqual(
      [
        reads({}),
        reads({ draftContent: 'yes' }),
        reads({ fhircast: '3.0.0' }, STU2),
        reads({ fhircast: '3.0.0' }, IRA),
      ],
      ['3.0.0', '3.0.0', '3.0.0', '3.0.0'],
    );
    assert.deepEqual([reads({}, IRA), reads({ fhircast: 'IRA' })], ['IRA examples', 'IRA examples']);
    assert.deepEqual(
      [reads({ draftContent: true }, IRA), reads({ fhircast: 'STU2' }), reads({}, STU1)],
      ['drafts', 'drafts', 'drafts'],
    );
  });
});
