/**
 * Reads snapshots out of JSON text, in steps: a large one would hold the event loop for most of a second. An element whose text is
 * the same as in the last snapshot is the same object, so that what was made from it can be used again.
 */
import { Snapshot, SnapshotEndpoint, SnapshotModel } from '#contracts/snapshot';
import type { Steps } from '#platform/time-slices';
import { JsonCursor } from './json-cursor.js';

/** Parsed elements by their text. */
type Known<T> = Map<string, T>;

function* readLong<T>(
  cursor: JsonCursor,
  known: Known<T>,
  next: Known<T>,
  parse: (value: unknown) => T,
): Steps<T[]> {
  const elements: T[] = [];
  cursor.expect('[');
  if (cursor.takes(']')) return elements;
  do {
    const text = cursor.value();
    const element = known.get(text) ?? parse(JSON.parse(text));
    next.set(text, element);
    elements.push(element);
    yield;
  } while (cursor.takes(','));
  cursor.expect(']');
  return elements;
}

export class SnapshotReader {
  private models: Known<SnapshotModel> = new Map();
  private endpoints: Known<SnapshotEndpoint> = new Map();

  /** @throws what JSON.parse and the schema throw */
  *read(text: string): Steps<Snapshot> {
    const short: Record<string, unknown> = {};
    const known = {
      models: new Map() as Known<SnapshotModel>,
      endpoints: new Map() as Known<SnapshotEndpoint>,
    };
    let models: SnapshotModel[] | undefined;
    let endpoints: SnapshotEndpoint[] | undefined;
    const cursor = new JsonCursor(text);
    cursor.expect('{');
    do {
      const key = String(JSON.parse(cursor.value()));
      cursor.expect(':');
      if (key === 'models')
        models = yield* readLong(cursor, this.models, known.models, (value) => SnapshotModel.parse(value));
      else if (key === 'endpoints')
        endpoints = yield* readLong(cursor, this.endpoints, known.endpoints, (value) =>
          SnapshotEndpoint.parse(value),
        );
      else short[key] = JSON.parse(cursor.value());
    } while (cursor.takes(','));
    cursor.expect('}');
    cursor.expectEnd();
    const rest = Snapshot.parse({ ...short, models: models && [], endpoints: endpoints && [] });
    this.models = known.models;
    this.endpoints = known.endpoints;
    return { ...rest, models: models ?? [], endpoints: endpoints ?? [] };
  }
}
