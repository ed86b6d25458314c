import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { narrativeProblem } from './narrative.ts';
import { R4Validator } from './r4-validator.ts';

const div = (inside: string): string => `<div xmlns="http://www.w3.org/1999/xhtml">${inside}</div>`;

/** What a page that shows it as HTML would do something else for. */
const ACTIVE: Readonly<Record<string, string>> = {
  'a script': '<script>alert(1)</script>',
  'a script in capitals': '<ScRiPt src="https://evil.example/x.js"/>',
  'a script of another namespace': '<h:script xmlns:h="http://www.w3.org/1999/xhtml">x</h:script>',
  'a frame': '<iframe src="https://evil.example"></iframe>',
  'an object': '<object data="x"></object>',
  'a form': '<form action="https://evil.example"><input name="a"/></form>',
  'a style sheet': '<style>* { display: none }</style>',
  'a link element': '<link rel="stylesheet" href="x"/>',
  'a base': '<base href="https://evil.example/"/>',
  SVG: '<svg onload="alert(1)"></svg>',
  MathML: '<math><mi href="x">a</mi></math>',
  'a handler': '<p onclick="alert(1)">x</p>',
  'a handler without quotes': '<p onmouseover=alert(1)>x</p>',
  'a handler after a slash': '<img/onerror="alert(1)"/src="x"/>',
  'a handler in capitals': '<b ONFOCUS="x">x</b>',
  'an address of a script': '<a href="javascript:alert(1)">x</a>',
  'one with white space': '<a href=" java\tscript\n:alert(1)">x</a>',
  'one with references': '<a href="&#106;avascript&#x3A;alert(1)">x</a>',
  'one with long references': '<a href="javascript&#0000000000058;alert(1)">x</a>',
  'one with long hexadecimal references': '<a href="javascript&#x000000000003a;alert(1)">x</a>',
  'one with a named reference': '<a href="javascript&colon;alert(1)">x</a>',
  'one in single quotes': "<a href='JAVASCRIPT:alert(1)'>x</a>",
  'one of another kind': '<a href="vbscript:x">x</a>',
  'a page as data': '<a href="data:text/html,<p>">x</a>',
  'an SVG image as data': '<img src="data:image/svg+xml,x"/>',
  'an address of XLink': '<a xlink:href="javascript:alert(1)">x</a>',
  'a style that runs': '<p style="width: expression(alert(1))">x</p>',
  'a tag that does not end': '<p title="x',
  'a comment that HTML ends at once': '<!--><script>alert(1)</script>-->',
  'a comment that HTML ends after a dash': '<!---><script>alert(1)</script>-->',
  'a comment that HTML ends before': '<!-- x --!><script>alert(1)</script> -->',
  'a comment with two dashes': '<!-- x -- y -->',
  'a quote within a value without quotes': '<p class=x"><script>alert(1)</script>">y</p>',
  'a quote without an attribute': '<p "><script>alert(1)</script>">y</p>',
  'a quote within a name': `<p a'='><script>alert(1)</script>'>y</p>`,
  'a quote behind a value': '<p class="x""><script>alert(1)</script>">y</p>',
  'a name that goes on behind a space of no XML': '<b\u00a0title="><script>alert(1)</script>">y</b>',
  'an attribute without a value': '<p hidden>x</p>',
  CDATA: '<![CDATA[<script>alert(1)</script>]]>',
  'what is no tag': '<%= x %>',
  'a declaration': '<!DOCTYPE html [<!ENTITY x "y">]>',
  'an instruction': '<?xml-stylesheet href="x"?>',
};

/** What narratives have. */
const HARMLESS: Readonly<Record<string, string>> = {
  text: 'Chest &lt; abdomen &amp; "onclick=" javascript: no markup',
  formatting: '<p class="a" id="b"><b>Bold</b> <i>italic</i><br/> <span style="color: red">red</span></p>',
  'a table':
    '<table border="1"><thead><tr><th scope="col">A</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>',
  links: '<a href="https://example.org/a?b=c:d#e">x</a> <a href="#a">y</a> <a name="z"/> <a href="Patient/1">p</a>',
  'a picture': '<img src="data:image/png;base64,AAAA" alt="a > b"/> <img src="#contained"/>',
  'a comment': '<!-- a <comment> - b --><!---->',
  'white space in tags': `<p\n  class = "a"\tid='b' >x</p ><br /><img alt="it's" src='#a"b'/>`,
};

describe('FHR-7 a narrative', () => {
  const validator = new R4Validator();
  const patient = (inside: string): object => ({
    resourceType: 'Patient',
    text: { status: 'generated', div: div(inside) },
  });

  it('that would run something where it is shown is refused by name, in contained resources too', () => {
    for (const [name, inside] of Object.entries(ACTIVE)) {
      assert.ok(narrativeProblem(div(inside)), name);
      assert.match(validator.problem(patient(inside))?.text ?? '', /^Patient\.text\.div must /, name);
      const around = {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        contained: [patient(inside)],
      };
      assert.match(validator.problem(around)?.text ?? '', /text\.div must /, name);
    }
  });

  it('of text, tables, pictures and links is taken', () => {
    for (const [name, inside] of Object.entries(HARMLESS)) {
      assert.equal(narrativeProblem(div(inside)), undefined, name);
      assert.equal(validator.problem(patient(inside)), undefined, name);
    }
  });

  it('takes a time that grows with its length alone', () => {
    for (const piece of [
      '<a ',
      '<a "',
      "<a '",
      '<!--',
      '<a href="',
      '&#',
      '<p a=b ',
      '<p a="">',
      '<a href="&#1',
      ' a=""',
      '<p a',
      '<p  ',
      '<!-- -',
    ]) {
      // Quadratic time would take minutes.
      narrativeProblem(div(piece.repeat(300_000 / piece.length)));
    }
  });
});
