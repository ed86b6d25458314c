import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Interaction, R4_RESOURCE_TYPES, Scopes } from '@lockstep/fhircast';
import { canEverOpenBehind, Rights } from '../src/rights.ts';
import { BASE } from './harness.ts';

const INTERACTIONS: readonly Interaction[] = ['c', 'r', 'u', 'd', 's'];

test('FHR-1 a scope is said to open something exactly where its holder could be let in, at every type and interaction', () => {
  let useless = 0;
  for (const context of ['patient', 'user', 'system']) {
    for (const type of R4_RESOURCE_TYPES) {
      for (const interaction of INTERACTIONS) {
        const scopes = new Scopes(`${context}/${type}.${interaction}`);
        const [scope] = scopes.list;
        assert.ok(scope?.kind === 'fhir');
        const holder = { tokenId: 't', clientId: 'app', expiresAt: 0, user: 'Practitioner/1', patient: 'p1' };
        // Whoever is bound to one patient creates no second one: the server behind gives it another id.
        const isSecondPatient = context === 'patient' && type === 'Patient' && interaction === 'c';
        const may = !isSecondPatient && new Rights({ ...holder, scopes }, BASE).may(interaction, type);
        assert.equal(canEverOpenBehind(scope, BASE), may, scope.text);
        if (!may) useless += 1;
      }
    }
  }
  assert.ok(useless > 100, String(useless));
});
