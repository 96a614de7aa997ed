/** Small stable hashes. They decide who gets which version, so they must never change between releases or gateways. */

const offsetBasis = 0x811c9dc5;

/** Spreads every input bit over the whole word (the finalizer of MurmurHash3). */
export function mix(hash: number): number {
  let h = hash | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** FNV-1a over UTF-16 code units, mixed. `seed` keeps unrelated uses of the same text apart. */
export function hashText(text: string, seed = 0): number {
  let h = offsetBasis ^ seed;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return mix(h);
}
