import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { folded, wordBegins, wordContains } from './fold.ts';

const begins = (text: string, wanted: string) => wordBegins(folded(text), folded(wanted));

test('FHR-5 names are found however they are written', () => {
  for (const [name, ...spellings] of [
    ["O'Brien", 'obrien', 'O’Brien', 'O`BRIEN', "o'b", 'OʼBrien', 'o brien'],
    ['Carreño Quiñones', 'carreno', 'QUINONES', 'Quiñones', 'carreno quinones', 'Carren\u0303o', 'carreno-quinones'],
    ['Atkinson - Lloyd', 'Atkinson-Lloyd', 'atkinson lloyd', 'Lloyd', 'AtkinsonLloyd', 'Atkinson–Lloyd'],
    ['山田 太郎', '山田\u3000太郎', '山田太郎', '太郎', '山'],
    ['Müller-Weiß', 'muller', 'weiss', 'Muller Weiss'],
    ['Łukasz Sørensen', 'lukasz', 'sorensen', 'Sørensen'],
    ['van der Berg', 'berg', 'Van  der', 'der berg'],
    ['ＡＮＮＡ', 'anna'],
    ['Ἀθηνᾶ', 'αθηνα'],
    ['İstanbul', 'istanbul', 'ISTANBUL'],
  ] as const) {
    for (const spelling of spellings) assert.ok(begins(name, spelling), `${name} by ${spelling}`);
  }
});

test('FHR-5 what is another name is not found', () => {
  for (const [name, other] of [
    ["O'Brien", 'brien'],
    ['Carreño', 'reno'],
    ['がく', 'かく'],
    ['Atkinson - Lloyd', 'Lloyd Atkinson'],
    ['Moreau', 'Moreaux'],
  ] as const) {
    assert.ok(!begins(name, other), `${name} by ${other}`);
  }
});

test('FHR-5 every text begins with itself and contains its parts, in any case', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      assert.ok(begins(text, text));
      assert.equal(folded(folded(text)), folded(text));
      assert.ok(wordContains(folded(`a ${text} b`), folded(text)));
    }),
  );
});
