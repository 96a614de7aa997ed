/**
 * Values under small numbers that are used again. In place of a Map where every request comes and goes: a Map that has been
 * promoted leaves each outgrown table in the old generation, where it keeps the requests of its time alive, with all that
 * hangs on them, until a full collection.
 */
export class Slots<T extends object> {
  /** 0 is nobody's number. */
  private readonly values: (T | undefined)[] = [undefined];
  private readonly free: number[] = [];
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** Keeps what is made for a number and returns it. */
  add<U extends T>(make: (id: number) => U): U {
    const id = this.free.pop() ?? this.values.length;
    const value = make(id);
    this.values[id] = value;
    this.count += 1;
    return value;
  }

  get(id: number): T | undefined {
    return this.values[id];
  }

  /** Takes the value out; its number goes to the next one. */
  take(id: number): T | undefined {
    const value = this.values[id];
    if (value === undefined) return undefined;
    this.values[id] = undefined;
    this.free.push(id);
    this.count -= 1;
    return value;
  }

  /** Those that are there now. */
  all(): T[] {
    return this.values.filter((value) => value !== undefined);
  }
}
