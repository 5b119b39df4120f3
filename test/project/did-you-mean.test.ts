import fc from 'fast-check';
import { expect, test } from 'vitest';
import { oneEditAway } from '../../src/project/did-you-mean.ts';

test.for([
  ['retires', 'retries'],
  ['retrie', 'retries'],
  ['rretries', 'retries'],
  ['retrles', 'retries'],
  ['etries', 'retries'],
] as const)('%s is taken for %s', ([word, meant]) => {
  expect(oneEditAway(word, ['delay', 'retries'])).toBe(meant);
});

test.for(['retries', 'retrials', '', 'tries', 'erteirs'])('%j is taken for nothing', (word) => {
  expect(oneEditAway(word, ['retries'])).toBeNull();
});

test('one letter dropped, added, replaced or swapped is found, whatever the word', () => {
  const words = fc.string({ minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(words, fc.nat(), fc.constantFrom('drop', 'add', 'replace', 'swap'), (word, place, edit) => {
      const at = place % word.length;
      const [head, letter, tail] = [word.slice(0, at), word[at] ?? '', word.slice(at + 1)];
      const edited = {
        drop: head + tail,
        add: `${head}~${letter}${tail}`,
        replace: `${head}~${tail}`,
        swap: head + (tail[0] ?? '') + letter + tail.slice(1),
      }[edit];
      expect(oneEditAway(edited, [word])).toBe(edited === word ? null : word);
    }),
  );
});
