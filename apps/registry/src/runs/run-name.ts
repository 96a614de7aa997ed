const adjectives = [
  'amber',
  'brisk',
  'calm',
  'clever',
  'eager',
  'gentle',
  'lively',
  'mellow',
  'nimble',
  'quiet',
  'swift',
  'vivid',
];
const nouns = [
  'badger',
  'crane',
  'falcon',
  'heron',
  'lynx',
  'marten',
  'otter',
  'plover',
  'salmon',
  'stoat',
  'wren',
  'yak',
];

const pick = (words: readonly string[], random: () => number): string =>
  words[Math.floor(random() * words.length)] ?? '';

/** A name that a person can remember for an hour: `calm-otter-042`. */
export function madeUpName(random: () => number): string {
  const number = String(Math.floor(random() * 1_000)).padStart(3, '0');
  return `${pick(adjectives, random)}-${pick(nouns, random)}-${number}`;
}
