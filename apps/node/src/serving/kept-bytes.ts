/** How many bytes of bodies the front holds on to, over all versions, for runners that may have to take over. */
export class KeptBytes {
  private held = 0;

  constructor(private readonly most: number) {}

  /** Whether so many more may be kept; they count until they are given back. */
  take(bytes: number): boolean {
    if (this.held + bytes > this.most) return false;
    this.held += bytes;
    return true;
  }

  giveBack(bytes: number): void {
    this.held -= bytes;
  }
}
