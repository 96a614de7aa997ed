/**
 * Reads snapshots out of JSON, in steps and from pieces: a large one would hold the event loop for most of a second. An element
 * whose text is the same as in the last snapshot is the same object, so that what was made from it can be used again.
 */
import { hash } from 'node:crypto';
import { decoded } from '#client/event-stream';
import type { TextBytes } from '#client/event-stream';
import {
  Snapshot,
  SnapshotApiToken,
  SnapshotClientLimit,
  SnapshotEndpoint,
  SnapshotExternalNode,
  SnapshotModel,
  SnapshotQuota,
} from '#contracts/snapshot';
import type { SnapshotReplica } from '#contracts/snapshot';
import type { Steps } from '#platform/time-slices';
import { JsonCursor } from './json-cursor.js';

/** One of the lists that can be long. */
class LongList<T> {
  elements: T[] = [];
  /** Parsed elements by the digest of their text: the texts would take as much memory as the elements. */
  private known = new Map<string, T>();
  private next = new Map<string, T>();

  constructor(private readonly parse: (value: unknown) => T) {}

  /** Before each snapshot: it may lack the list. */
  clear(): void {
    this.elements = [];
    this.next = new Map();
  }

  *read(cursor: JsonCursor): Steps<void> {
    cursor.expect('[');
    if (cursor.takes(']')) return;
    do {
      const text = cursor.value();
      const key = hash('sha256', text, 'base64');
      const element = this.known.get(key) ?? this.parse(JSON.parse(text));
      this.next.set(key, element);
      this.elements.push(element);
      yield;
    } while (cursor.takes(','));
    cursor.expect(']');
  }

  /** The snapshot was good. */
  keep(): void {
    this.known = this.next;
  }
}

export class SnapshotReader {
  private readonly lists = {
    models: new LongList((value) => this.sharing(SnapshotModel.parse(value))),
    endpoints: new LongList((value) => SnapshotEndpoint.parse(value)),
    external_nodes: new LongList((value) => SnapshotExternalNode.parse(value)),
    quotas: new LongList((value) => SnapshotQuota.parse(value)),
    api_tokens: new LongList((value) => SnapshotApiToken.parse(value)),
    client_limits: new LongList((value) => SnapshotClientLimit.parse(value)),
  };
  private readonly replicas = new Map<string, SnapshotReplica>();

  /** @throws what JSON.parse and the schema throw */
  *read(text: TextBytes): Steps<Snapshot> {
    const { lists } = this;
    for (const list of Object.values(lists)) list.clear();
    const short: Record<string, unknown> = {};
    const cursor = new JsonCursor(decoded(text));
    cursor.expect('{');
    do {
      const key = String(JSON.parse(cursor.value()));
      cursor.expect(':');
      if (isListOf(lists, key)) {
        short[key] = [];
        yield* lists[key].read(cursor);
      } else short[key] = JSON.parse(cursor.value());
    } while (cursor.takes(','));
    cursor.expect('}');
    cursor.expectEnd();
    const rest = Snapshot.parse(short);
    for (const list of Object.values(lists)) list.keep();
    return {
      ...rest,
      models: lists.models.elements,
      endpoints: lists.endpoints.elements,
      external_nodes: lists.external_nodes.elements,
      quotas: lists.quotas.elements,
      api_tokens: lists.api_tokens.elements,
      client_limits: lists.client_limits.elements,
    };
  }

  /** The replicas of one node have one text, which is kept once: there are as many as models times nodes. */
  private sharing(model: SnapshotModel): SnapshotModel {
    for (const version of model.versions)
      version.replicas = version.replicas.map((replica) => {
        if (replica.serves) return replica;
        const last = this.replicas.get(replica.node_id);
        if (last?.address === replica.address) return last;
        this.replicas.set(replica.node_id, replica);
        return replica;
      });
    return model;
  }
}

const isListOf = <T extends object>(lists: T, key: string): key is Extract<keyof T, string> =>
  Object.hasOwn(lists, key);
