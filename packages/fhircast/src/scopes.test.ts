import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseScope, Scopes } from './index.ts';

describe('SUB-4, PUB-2 FHIRcast scopes', () => {
  it('cover an event or all, to read, to write or both', () => {
    const scopes = new Scopes('fhircast/Patient-open.read fhircast/Patient-close.write fhircast/SyncError.*');
    assert.ok(scopes.mayReceive('patient-OPEN') && !scopes.mayPublish('Patient-open'));
    assert.ok(!scopes.mayReceive('Patient-close') && scopes.mayPublish('Patient-close'));
    assert.ok(scopes.mayReceive('SyncError') && scopes.mayPublish('syncerror'));
    assert.ok(!scopes.mayReceive('Encounter-open') && !scopes.mayReceive('*'));
    const all = new Scopes('fhircast/*.read');
    assert.ok(all.mayReceive('org.example.x') && all.mayReceive('*') && !all.mayPublish('Patient-open'));
  });

  it('TOK-3 compare without regard to case; the bare "fhircast" is everything', () => {
    assert.ok(new Scopes('FHIRcast/PATIENT-open.READ').mayReceive('Patient-open'));
    const bare = new Scopes('fhircast');
    assert.ok(bare.hasBareFhircast && bare.mayReceive('*') && bare.mayPublish('*'));
    assert.equal(new Scopes('fhircast/*.*').hasBareFhircast, false);
  });

  it('may name events in reverse domain notation', () => {
    assert.ok(new Scopes('fhircast/org.example.read.read').mayReceive('org.example.read'));
  });

  it('are dropped when they are none', () => {
    for (const text of [
      'fhircast/Patient-open',
      'fhircast/Patient-open.cruds',
      'fhircast/.read',
      'fhircast/Foo-open.read',
      'fhircast/*-open.read',
      'fhircast/Patient-open.read/x',
      'fhircastx',
    ]) {
      assert.equal(parseScope(text), undefined, text);
      assert.equal(new Scopes(text).hasFhircast, false);
    }
  });
});

describe('SES-2, SES-3 session scopes', () => {
  it('let sessions be listed, or created and ended', () => {
    assert.ok(new Scopes('hub/session.read').maySession('read') && !new Scopes('hub/session.read').maySession('write'));
    assert.ok(
      !new Scopes('hub/session.write').maySession('read') && new Scopes('hub/session.write').maySession('write'),
    );
    assert.ok(new Scopes('hub/session.*').maySession('read') && new Scopes('hub/session.*').maySession('write'));
    assert.equal(parseScope('hub/session.delete'), undefined);
  });
});

describe('FHR-1 FHIR scopes', () => {
  it('are understood in the syntax of v1 and v2', () => {
    const v1 = new Scopes('patient/Observation.read user/*.write');
    assert.equal(v1.fhir('s', 'Observation').length, 1);
    assert.equal(v1.fhir('u', 'Observation').length, 1);
    assert.equal(v1.fhir('r', 'Patient').length, 0);
    const v2 = new Scopes('patient/Observation.rs?category=laboratory system/Patient.cruds');
    assert.deepEqual(v2.fhir('r', 'Observation')[0]?.params, [['category', 'laboratory']]);
    assert.equal(v2.fhir('c', 'Observation').length, 0);
    assert.equal(v2.fhir('d', 'Patient')[0]?.context, 'system');
  });

  it('are dropped when they restrict nothing, are out of order or name no type', () => {
    for (const text of [
      'patient/Observation.',
      'patient/Observation.sr',
      'patient/Observation.rs?category=',
      'patient/Observation.read?category=x',
      'patient/Foo.rs',
      'PATIENT/Observation.rs',
      'patient/observation.rs',
    ]) {
      assert.equal(parseScope(text), undefined, text);
    }
  });
});

describe('TOK-5 scopes that cover others', () => {
  const covers = (own: string, other: string): boolean => new Scopes(own).covers(parseScope(other)!);

  it('cover what is as wide or narrower', () => {
    assert.ok(covers('fhircast/*.*', 'fhircast/Patient-open.read'));
    assert.ok(covers('fhircast/Patient-open.read fhircast/Patient-open.write', 'fhircast/Patient-open.*'));
    assert.ok(covers('hub/session.*', 'hub/session.read'));
    assert.ok(covers('system/*.cruds', 'system/Patient.rs?name=x'));
    assert.ok(covers('system/Patient.rs?name=x', 'system/Patient.r?name=x&gender=male'));
    assert.ok(covers('system/Patient.rs?gender=male,female', 'system/Patient.r?gender=female'));
    assert.ok(covers('system/Patient.r system/Patient.s', 'system/Patient.rs'));
    assert.ok(covers('patient/*.read', 'patient/Observation.rs?category=laboratory'));
    assert.ok(covers('openid', 'openid'));
  });

  it('cover nothing else', () => {
    assert.ok(!covers('fhircast/Patient-open.*', 'fhircast/*.read'));
    assert.ok(!covers('system/Patient.rs?gender=female', 'system/Patient.rs?gender=male,female'));
    assert.ok(!covers('system/Patient.rs?gender=female', 'system/Patient.rs?name=female'));
    assert.ok(!covers('system/Patient.rs?gender=female', 'system/Patient.rs'));
    assert.ok(!covers('system/Patient.rs?gender:not=male,female', 'system/Patient.rs?gender:not=male'));
    assert.ok(!covers('system/Patient.rs?name=a\\,b', 'system/Patient.rs?name=b'));
    assert.ok(!covers('system/Observation.rs', 'system/*.rs'));
    assert.ok(!covers('fhircast/Patient-open.read', 'fhircast'));
    assert.ok(!covers('hub/session.read', 'hub/session.*'));
    assert.ok(!covers('system/Patient.rs?name=x', 'system/Patient.rs'));
    assert.ok(!covers('user/Patient.rs', 'system/Patient.rs'));
    assert.ok(!covers('openid', 'fhirUser'));
  });

  it('come out once each, in order, without the unknown ones', () => {
    assert.equal(
      new Scopes(' openid  foo fhircast/Patient-open.read openid\nlaunch/patient ').toString(),
      'openid fhircast/Patient-open.read launch/patient',
    );
  });
});
