import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { html } from './html.ts';

test('CWE-79 values are escaped, pieces of HTML are not, nothing is left of undefined and false', () => {
  assert.equal(
    html`<p title="${'"&\'<>'}">${html`<b>${1}</b>`}${undefined}${false}${['a', '<']}</p>`.toString(),
    '<p title="&quot;&amp;&#39;&lt;&gt;"><b>1</b>a&lt;</p>',
  );
});

test('CWE-79 no value whatever opens a tag or ends an attribute', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (value) => {
      const text = html`${value}`.toString();
      assert.doesNotMatch(text, /[<>"']/);
    }),
  );
});
