/**
 * Decides which version goes to which node: rendezvous hashing within the nodes' memory, with as few moves as possible.
 * A node evicts idle versions and loads them again on demand, so it may be given several times what fits at once
 * (`overcommit`), as long as each version fits beside the pinned ones, which are never evicted and never overcommitted.
 * Pure: the same input gives the same plan, and a plan fed back as `current` changes nothing.
 * It never reads a clock or a store, and never knows why a version is wanted.
 */

export interface PlacementNode {
  readonly id: string;
  readonly memoryBytes: number;
  /** May take new work: holds its lease, is neither cordoned nor draining. */
  readonly schedulable: boolean;
  /** Holds its lease, so that what is READY there still serves. */
  readonly alive: boolean;
}

export interface WantedVersion {
  readonly versionId: string;
  /** How many nodes shall hold it; fewer nodes hold fewer. */
  readonly replicas: number;
  /** What one replica takes on a node. */
  readonly memoryBytes: number;
  /** Never evicted from memory. */
  readonly pinned: boolean;
  /** When memory is short, smaller goes first and may displace larger. */
  readonly priority: number;
}

export interface CurrentReplica {
  readonly nodeId: string;
  readonly versionId: string;
  /** `failed` is only remembered, not held: it keeps the version off the node until `retryAtMs`. */
  readonly state: 'ready' | 'starting' | 'failed';
  readonly attempts: number;
  readonly retryAtMs: number;
}

export interface PlacedReplica {
  readonly nodeId: string;
  readonly versionId: string;
}

export interface Unplaced {
  readonly versionId: string;
  readonly missing: number;
  /** In words, for a person. */
  readonly reason: string;
}

export interface PlacementPlan {
  readonly replicas: readonly PlacedReplica[];
  readonly unplaced: readonly Unplaced[];
}

interface Room {
  /** Memory that pinned versions placed so far leave; every other one must fit into it by itself. */
  unpinned: number;
  /** Memory that all versions placed so far leave; negative when overcommitted. */
  free: number;
  /** What lower priorities hold here now and would have to give up. */
  heldByLater: number;
}

/** Plans every wanted version, most important first. */
export function planPlacement(
  nodes: readonly PlacementNode[],
  wanted: readonly WantedVersion[],
  current: readonly CurrentReplica[],
  nowMs: number,
  overcommit = 1,
): PlacementPlan {
  const order = [...wanted].sort(
    (a, b) =>
      Number(b.pinned) - Number(a.pinned) || a.priority - b.priority || compareText(a.versionId, b.versionId),
  );
  const byVersion = groupByVersion(current);
  const rooms = roomsOf(nodes, order, byVersion);
  const replicas: PlacedReplica[] = [];
  const unplaced: Unplaced[] = [];
  for (const version of order) {
    const own = byVersion.get(version.versionId) ?? [];
    for (const replica of own)
      if (isHeld(replica)) room(rooms, replica.nodeId).heldByLater -= version.memoryBytes;
    const placed = placeVersion(version, own, nodes, { rooms, overcommit }, nowMs);
    replicas.push(...placed.nodeIds.map((nodeId) => ({ nodeId, versionId: version.versionId })));
    if (placed.missing > 0)
      unplaced.push({
        versionId: version.versionId,
        missing: placed.missing,
        reason: whyUnplaced(version, own, nodes, { rooms, overcommit }, placed.nodeIds, nowMs),
      });
  }
  return { replicas, unplaced };
}

function groupByVersion(current: readonly CurrentReplica[]): Map<string, CurrentReplica[]> {
  const groups = new Map<string, CurrentReplica[]>();
  for (const replica of current) {
    const group = groups.get(replica.versionId);
    if (group) group.push(replica);
    else groups.set(replica.versionId, [replica]);
  }
  return groups;
}

const isHeld = (replica: CurrentReplica): boolean => replica.state !== 'failed';

function roomsOf(
  nodes: readonly PlacementNode[],
  wanted: readonly WantedVersion[],
  byVersion: ReadonlyMap<string, CurrentReplica[]>,
): Map<string, Room> {
  const rooms = new Map(
    nodes.map((node) => [node.id, { unpinned: node.memoryBytes, free: node.memoryBytes, heldByLater: 0 }]),
  );
  for (const version of wanted)
    for (const replica of byVersion.get(version.versionId) ?? [])
      if (isHeld(replica)) room(rooms, replica.nodeId).heldByLater += version.memoryBytes;
  return rooms;
}

/** A replica on a node that is not in the list any more has a room that nothing is taken from. */
const room = (rooms: ReadonlyMap<string, Room>, nodeId: string): Room =>
  rooms.get(nodeId) ?? { unpinned: 0, free: 0, heldByLater: 0 };

interface Space {
  readonly rooms: ReadonlyMap<string, Room>;
  readonly overcommit: number;
}

/** The largest version of its kind that the node could still be given. */
function largest({ unpinned, free }: Room, pinned: boolean, overcommit: number): number {
  if (pinned) return unpinned;
  const taken = unpinned - free;
  return Math.min(unpinned, overcommit * unpinned - taken);
}

function placeVersion(
  version: WantedVersion,
  own: readonly CurrentReplica[],
  nodes: readonly PlacementNode[],
  { rooms, overcommit }: Space,
  nowMs: number,
): { nodeIds: string[]; missing: number } {
  const schedulable = nodes.filter((node) => node.schedulable);
  const target = Math.min(version.replicas, Math.max(schedulable.length, 1));
  const nodeIds: string[] = [];
  for (const nodeId of rankNodes(version, own, schedulable, rooms, nowMs)) {
    if (nodeIds.length >= target) break;
    const there = room(rooms, nodeId);
    if (largest(there, version.pinned, overcommit) < version.memoryBytes) continue;
    there.free -= version.memoryBytes;
    if (version.pinned) there.unpinned -= version.memoryBytes;
    nodeIds.push(nodeId);
  }
  const missing = target - nodeIds.length;
  return { nodeIds: [...nodeIds, ...handover(own, nodes, nodeIds)], missing };
}

/**
 * A leaving node keeps serving a version while its successors load, so that a drain drops no request.
 * It takes no memory in the plan: it was there before.
 */
function handover(
  own: readonly CurrentReplica[],
  nodes: readonly PlacementNode[],
  placed: readonly string[],
): string[] {
  const isReady = (nodeId: string): boolean =>
    own.some((replica) => replica.nodeId === nodeId && replica.state === 'ready');
  if (placed.length === 0 || placed.some(isReady)) return [];
  return nodes
    .filter((node) => node.alive && !node.schedulable && isReady(node.id))
    .map((node) => node.id)
    .sort(compareText);
}

/** The nodes that may hold the version, best first: those that hold it, those with room, those where it never failed, then by hash. */
function rankNodes(
  version: WantedVersion,
  own: readonly CurrentReplica[],
  schedulable: readonly PlacementNode[],
  rooms: ReadonlyMap<string, Room>,
  nowMs: number,
): string[] {
  const byNode = new Map(own.map((replica) => [replica.nodeId, replica]));
  const candidates = schedulable
    .filter((node) => !isBackingOff(byNode.get(node.id), nowMs))
    .map((node) => {
      const replica = byNode.get(node.id);
      const there = room(rooms, node.id);
      const held = replica ? { ready: 0, starting: 1, failed: 2 }[replica.state] : 2;
      const displaces = there.free - Math.max(0, there.heldByLater) < version.memoryBytes ? 1 : 0;
      return {
        id: node.id,
        keys: [
          held,
          held < 2 ? 0 : displaces,
          replica?.attempts ?? 0,
          -rendezvousScore(node.id, version.versionId),
        ],
      };
    });
  return candidates
    .sort((a, b) => compareKeys(a.keys, b.keys) || compareText(a.id, b.id))
    .map((candidate) => candidate.id);
}

const isBackingOff = (replica: CurrentReplica | undefined, nowMs: number): boolean =>
  replica?.state === 'failed' && replica.retryAtMs > nowMs;

function whyUnplaced(
  version: WantedVersion,
  own: readonly CurrentReplica[],
  nodes: readonly PlacementNode[],
  { rooms, overcommit }: Space,
  placed: readonly string[],
  nowMs: number,
): string {
  const schedulable = nodes.filter((node) => node.schedulable);
  if (!nodes.some((node) => node.alive)) return 'No node is up.';
  if (schedulable.length === 0) return 'Every node is drained.';
  const failed = own.filter((replica) => isBackingOff(replica, nowMs));
  const open = schedulable.filter(
    (node) => !placed.includes(node.id) && !failed.some((replica) => replica.nodeId === node.id),
  );
  if (open.length === 0) {
    const waitMs = Math.min(...failed.map((replica) => replica.retryAtMs)) - nowMs;
    return `It failed on every node that could take it; the next try is in ${Math.ceil(waitMs / 1_000)} s.`;
  }
  const largestFree = Math.max(
    ...open.map((node) => largest(room(rooms, node.id), version.pinned, overcommit)),
  );
  return `It needs ${toMiB(version.memoryBytes)} MiB of memory; the most that a node has free is ${toMiB(Math.max(0, largestFree))} MiB.`;
}

const toMiB = (bytes: number): number => Math.ceil(bytes / 1_048_576);

/** Highest random weight: each pair has its own score, so a node that comes or goes only concerns what it wins or held. */
export function rendezvousScore(nodeId: string, versionId: string): number {
  // FNV-1a over the pair, then murmur3's finalizer, because FNV alone leaves the last characters' bits badly mixed.
  let hash = 0x811c9dc5;
  const text = `${nodeId}\n${versionId}`;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function compareKeys(a: readonly number[], b: readonly number[]): number {
  for (const [i, key] of a.entries()) {
    const difference = key - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
