/**
 * What was made of the JSON in front of binary tensors. A client sends the same bytes there with every request, and comparing
 * them costs far less than reading them again.
 */

/** Callers of one version differ in few ways at a time. */
const slots = 8;
const maxBytes = 4_096;

export class HeadingMemory<T> {
  private readonly known: { readonly bytes: Buffer; readonly heading: T }[] = [];
  private oldest = 0;

  find(bytes: Buffer): T | undefined {
    for (const one of this.known) if (one.bytes.equals(bytes)) return one.heading;
    return undefined;
  }

  /** Takes a copy of `bytes`; the one that came first is forgotten. */
  keep(bytes: Buffer, heading: T): void {
    if (bytes.length > maxBytes) return;
    this.known[this.oldest] = { bytes: Buffer.from(bytes), heading };
    this.oldest = (this.oldest + 1) % slots;
  }
}
