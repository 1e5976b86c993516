/**
 * Messages to values and back. Nothing passes unparsed: every digest, name, number and vector that came over the wire is
 * checked here, so that a peer that is broken, or newer than it admits, is refused at the door and not half believed.
 */
import type {
  AuditAnswer__Output,
  AuditAnswer as AuditAnswerMessage,
} from "../../proto/gen/meridian/v1/AuditAnswer.ts";
import type {
  AuditLaneFrame__Output,
  AuditLaneFrame as AuditLaneFrameMessage,
} from "../../proto/gen/meridian/v1/AuditLaneFrame.ts";
import type { AuditLaneRequest, AuditLaneRequest__Output } from "../../proto/gen/meridian/v1/AuditLaneRequest.ts";
import type { AuditRequest, AuditRequest__Output } from "../../proto/gen/meridian/v1/AuditRequest.ts";
import type { BlobFound__Output, BlobFound as BlobFoundMessage } from "../../proto/gen/meridian/v1/BlobFound.ts";
import type { Greeting__Output, Greeting as GreetingMessage } from "../../proto/gen/meridian/v1/Greeting.ts";
import type { HaveRequest, HaveRequest__Output } from "../../proto/gen/meridian/v1/HaveRequest.ts";
import type { ImageRequest, ImageRequest__Output } from "../../proto/gen/meridian/v1/ImageRequest.ts";
import type { ImageState__Output, ImageState as ImageStateMessage } from "../../proto/gen/meridian/v1/ImageState.ts";
import type { LagFrom__Output } from "../../proto/gen/meridian/v1/LagFrom.ts";
import type { NodeReport__Output, NodeReport as NodeReportMessage } from "../../proto/gen/meridian/v1/NodeReport.ts";
import type { OpBatch__Output } from "../../proto/gen/meridian/v1/OpBatch.ts";
import type {
  PublisherFrame__Output,
  PublisherFrame as PublisherFrameMessage,
} from "../../proto/gen/meridian/v1/PublisherFrame.ts";
import type { PullFrame__Output, PullFrame as PullFrameMessage } from "../../proto/gen/meridian/v1/PullFrame.ts";
import type { PullRequest, PullRequest__Output } from "../../proto/gen/meridian/v1/PullRequest.ts";
import type { ReadRequest, ReadRequest__Output } from "../../proto/gen/meridian/v1/ReadRequest.ts";
import type {
  SubscriberFrame__Output,
  SubscriberFrame as SubscriberFrameMessage,
} from "../../proto/gen/meridian/v1/SubscriberFrame.ts";
import type { Want__Output } from "../../proto/gen/meridian/v1/Want.ts";
import { type Digest, isDigest } from "../../shared/digest.ts";
import { type Hlc, isHlc } from "../../shared/hlc.ts";
import { isClusterId, isNodeId, isOrigin, isRegion, type Origin } from "../../shared/identity.ts";
import { unreachable } from "../../shared/invariant.ts";
import { AUDIT_GROUPS, AUDIT_LANES, MANIFEST_DESCRIPTORS_MAX, VECTOR_ORIGINS_MAX } from "../../shared/limits.ts";
import { isRepositoryName, isTag, type Reference, type RepositoryName } from "../../shared/reference.ts";
import {
  decodeVersionVector,
  encodeVersionVector,
  VECTOR_HASH_BYTES,
  type VersionVector,
} from "../../shared/version-vector.ts";
import type {
  AuditAnswer,
  AuditQuestion,
  BlobFound,
  Greeting,
  ImageState,
  LagFrom,
  LaneFrame,
  NodeReport,
  OpBatch,
  PublisherFrame,
  PullFrame,
  SubscriberFrame,
  Wanted,
} from "../ports/peers.ts";
import { pack, unpack } from "./pack.ts";

const CHAIN_BYTES = 16;
const SUM_BYTES = 16;
/** What 32 bits hold; whoever is that far behind is so by any measure. */
const CLOSED_AGO_MS_MAX = 2 ** 32 - 1;
const STATE_HASH = /^[0-9a-f]{0,128}$/;

/** A message that breaks the rules of the .proto files. A bad version vector is a `MalformedBytesError` instead. */
export class MalformedMessageError extends Error {
  override readonly name = "MalformedMessageError";
}

export function greetingToMessage(greeting: Greeting): GreetingMessage {
  const { cluster, node, region, boot, nonce, protocol, advertise, version } = greeting;
  return {
    cluster,
    node,
    region,
    origin: greeting.origin,
    boot,
    nonce,
    protocolMin: protocol.min,
    protocolMax: protocol.max,
    advertisedRegistry: advertise.registry,
    advertisedPeer: advertise.peer,
    version,
  };
}

export function greetingFromMessage(message: Greeting__Output): Greeting {
  const { cluster, node, region, protocolMin, protocolMax } = message;
  if (!isClusterId(cluster)) throw new MalformedMessageError("a greeting names no cluster");
  if (!isNodeId(node)) throw new MalformedMessageError("a greeting names no node");
  if (!isRegion(region)) throw new MalformedMessageError("a greeting names no region");
  if (protocolMin < 1 || protocolMin > protocolMax) throw new MalformedMessageError("a greeting names no protocol");
  const boot = integer(message.boot);
  if (boot < 1) throw new MalformedMessageError("starts are counted from 1");
  return {
    cluster,
    node,
    region,
    origin: parsedOrigin(message.origin),
    boot,
    nonce: parsedNonce(message.nonce),
    protocol: { min: protocolMin, max: protocolMax },
    advertise: { registry: message.advertisedRegistry, peer: message.advertisedPeer },
    version: message.version,
  };
}

export function reportToMessage(report: NodeReport): NodeReportMessage {
  const { greeting, held, uptimeMs, repositories, tags, stateHash, lag } = report;
  return {
    greeting: greetingToMessage(greeting),
    held: encodeVersionVector(held),
    uptimeMs,
    repositories,
    tags,
    stateHash,
    lag: [...lag],
  };
}

export function reportFromMessage(message: NodeReport__Output): NodeReport {
  const { stateHash } = message;
  if (!STATE_HASH.test(stateHash)) throw new MalformedMessageError("a state's hash is hex");
  return {
    greeting: greetingFromMessage(present(message.greeting, "a report has no greeting")),
    held: decodeVersionVector(message.held),
    uptimeMs: milliseconds(message.uptimeMs),
    repositories: integer(message.repositories),
    tags: integer(message.tags),
    stateHash,
    lag: message.lag.map((from) => lagFromMessage(from)),
  };
}

function lagFromMessage({ source, region, isReachable, pendingOps, lagMs }: LagFrom__Output): LagFrom {
  return { source, region, isReachable, pendingOps: integer(pendingOps), lagMs: milliseconds(lagMs) };
}

export function subscriberFrameToMessage(frame: SubscriberFrame): SubscriberFrameMessage {
  switch (frame.kind) {
    case "ack":
      return { ack: { held: encodeVersionVector(frame.held) } };
    case "want":
      return { want: { origins: [...frame.wanted] } };
    case "credit":
      return { credit: { granted: frame.granted } };
    case "ask":
      return { ask: {} };
    default:
      return unreachable(frame);
  }
}

export function subscriberFrameFromMessage(message: SubscriberFrame__Output): SubscriberFrame {
  switch (message.frame) {
    case "ack":
      return { kind: "ack", held: decodeVersionVector(present(message.ack, "a frame holds no ack").held) };
    case "want":
      return { kind: "want", wanted: wantedFromMessage(present(message.want, "a frame wants nothing")) };
    case "credit":
      return { kind: "credit", granted: integer(present(message.credit, "a frame grants nothing").granted) };
    case "ask":
      return { kind: "ask" };
    case undefined:
      throw new MalformedMessageError("a subscriber sent a frame of no known kind");
    default:
      return unreachable(message.frame);
  }
}

function wantedFromMessage({ origins }: Want__Output): readonly Wanted[] {
  if (origins.length > VECTOR_ORIGINS_MAX) throw new MalformedMessageError("a subscriber wants too many origins");
  return origins.map(({ origin, after }) => ({ origin: parsedOrigin(origin), after: integer(after) }));
}

export function publisherFrameToMessage(frame: PublisherFrame): PublisherFrameMessage {
  switch (frame.kind) {
    case "ops":
      return { ops: batchToMessage(frame.batch) };
    case "heads": {
      const { held, closed, wallMs } = frame;
      return { heads: { held: encodeVersionVector(held), closed: closed.toString(), wallMs } };
    }
    case "pulse": {
      const { hash, closedAgoMs } = frame;
      const ago = closedAgoMs === undefined ? {} : { closedAgoMs: Math.min(Math.ceil(closedAgoMs), CLOSED_AGO_MS_MAX) };
      return { pulse: { ...(hash === undefined ? {} : { hash }), ...ago } };
    }
    case "lost":
      return { lost: { origin: frame.origin } };
    default:
      return unreachable(frame);
  }
}

export function publisherFrameFromMessage(message: PublisherFrame__Output): PublisherFrame {
  switch (message.frame) {
    case "ops":
      return { kind: "ops", batch: batchFromMessage(present(message.ops, "a frame holds no ops")) };
    case "heads": {
      const { held, closed, wallMs } = present(message.heads, "a frame holds no heads");
      const at = { closed: timestamp(closed), wallMs: milliseconds(wallMs) };
      return { kind: "heads", held: decodeVersionVector(held), ...at };
    }
    case "pulse": {
      const { hash, closedAgoMs } = present(message.pulse, "a frame holds no pulse");
      return { kind: "pulse", hash: hash === undefined ? undefined : parsedVectorHash(hash), closedAgoMs };
    }
    case "lost":
      return { kind: "lost", origin: parsedOrigin(present(message.lost, "a frame has lost nothing").origin) };
    case undefined:
      throw new MalformedMessageError("a publisher sent a frame of no known kind");
    default:
      return unreachable(message.frame);
  }
}

export function pullRequestToMessage(have: VersionVector): PullRequest {
  return { have: encodeVersionVector(have) };
}

export function pullRequestFromMessage({ have }: PullRequest__Output): VersionVector {
  return decodeVersionVector(have);
}

export function pullFrameToMessage(frame: PullFrame): PullFrameMessage {
  switch (frame.kind) {
    case "ops": {
      const { ops, ...rest } = frame.batch;
      return { ops: { ...rest, packed: pack(ops) } };
    }
    case "live":
      return { live: { packed: pack(frame.changes) } };
    case "end": {
      const chains = [...frame.chains].map(([origin, chain]) => ({ origin, chain }));
      return { end: { held: encodeVersionVector(frame.held), chains } };
    }
    default:
      return unreachable(frame);
  }
}

export function pullFrameFromMessage(message: PullFrame__Output): PullFrame {
  switch (message.frame) {
    case "ops":
      return { kind: "ops", batch: batchFromMessage(present(message.ops, "a frame holds no ops")) };
    case "live": {
      const { packed } = present(message.live, "a frame holds no changes");
      return { kind: "live", changes: unpack(packed) };
    }
    case "end": {
      const { held, chains } = present(message.end, "a frame holds no end");
      return {
        kind: "end",
        held: decodeVersionVector(held),
        chains: new Map(chains.map(({ origin, chain }) => [parsedOrigin(origin), parsedChain(chain)])),
      };
    }
    case undefined:
      throw new MalformedMessageError("a source sent a frame of no known kind");
    default:
      return unreachable(message.frame);
  }
}

function batchToMessage(batch: OpBatch): NonNullable<PullFrameMessage["ops"]> {
  return { origin: batch.origin, from: batch.from, ops: [...batch.ops], chain: batch.chain, base: batch.base };
}

function batchFromMessage(message: OpBatch__Output): OpBatch {
  const from = integer(message.from);
  if (from < 1) throw new MalformedMessageError("ops are numbered from 1");
  return {
    origin: parsedOrigin(message.origin),
    from,
    ops: message.packed.length > 0 ? unpack(message.packed) : message.ops.map((op) => bytes(op)),
    // Without one the sender does not know it.
    chain: message.chain.length === 0 ? new Uint8Array() : parsedChain(message.chain),
    base: message.base.length === 0 ? new Uint8Array() : parsedChain(message.base),
  };
}

export type AskedImage = { readonly repo: RepositoryName; readonly reference: Reference };

export function imageRequestToMessage(repo: RepositoryName, reference: Reference): ImageRequest {
  return { repository: repo, reference: reference.kind === "tag" ? reference.tag : reference.digest };
}

export function imageRequestFromMessage({ repository: repo, reference }: ImageRequest__Output): AskedImage {
  if (!isRepositoryName(repo)) throw new MalformedMessageError("a request names no repository");
  if (isDigest(reference)) return { repo, reference: { kind: "digest", digest: reference } };
  if (isTag(reference)) return { repo, reference: { kind: "tag", tag: reference } };
  throw new MalformedMessageError("a request names neither a tag nor a digest");
}

export function imageStateToMessage(state: ImageState): ImageStateMessage {
  const { digest, missing, ...rest } = state;
  return { ...rest, ...(digest === undefined ? {} : { digest }), missing: [...missing] };
}

export function imageStateFromMessage(message: ImageState__Output): ImageState {
  return {
    digest: message.digest === undefined ? undefined : parsedDigest(message.digest),
    isKnown: message.isKnown,
    blobsTotal: integer(message.blobsTotal),
    blobsHeld: integer(message.blobsHeld),
    bytesTotal: integer(message.bytesTotal),
    bytesHeld: integer(message.bytesHeld),
    missing: message.missing.map((blob) => ({ digest: parsedDigest(blob.digest), size: integer(blob.size) })),
  };
}

export function auditRequestToMessage(question: AuditQuestion): AuditRequest {
  return question.kind === "groups" ? { root: sumsToBytes([question.root]) } : { groups: [...question.groups] };
}

export function auditRequestFromMessage({ root, groups }: AuditRequest__Output): AuditQuestion {
  if (root !== undefined) {
    const [sum, ...others] = sumsFromBytes(root);
    if (sum === undefined || others.length > 0) throw new MalformedMessageError("an audit compares one total");
    return { kind: "groups", root: sum };
  }
  const areKnown = groups.length <= AUDIT_GROUPS && groups.every((group) => group < AUDIT_GROUPS);
  if (!areKnown) throw new MalformedMessageError("an audit asks for groups of lanes that there are, each once");
  return { kind: "lanes", groups };
}

export function auditAnswerToMessage({ isReady, held, sums }: AuditAnswer): AuditAnswerMessage {
  return { isReady, held: encodeVersionVector(held), sums: sumsToBytes(sums) };
}

export function auditAnswerFromMessage({ isReady, held, sums }: AuditAnswer__Output): AuditAnswer {
  if (sums.length > AUDIT_LANES * SUM_BYTES) throw new MalformedMessageError("an audit tells more sums than lanes");
  return { isReady, held: decodeVersionVector(held), sums: sumsFromBytes(sums) };
}

export type AskedLane = { readonly lane: number; readonly known: readonly bigint[] };

export function auditLaneRequestToMessage(lane: number, known: readonly bigint[]): AuditLaneRequest {
  return { lane, known: sumsToBytes(known) };
}

export function auditLaneRequestFromMessage({ lane, known }: AuditLaneRequest__Output): AskedLane {
  if (lane >= AUDIT_LANES) throw new MalformedMessageError("an audit asks for a lane that there is");
  return { lane, known: sumsFromBytes(known) };
}

export function laneFrameToMessage(frame: LaneFrame): AuditLaneFrameMessage {
  switch (frame.kind) {
    case "changes":
      return { changes: { packed: pack(frame.changes) } };
    case "unknown":
      return { unknown: { fingerprints: sumsToBytes(frame.fingerprints) } };
    default:
      return unreachable(frame);
  }
}

export function laneFrameFromMessage(message: AuditLaneFrame__Output): LaneFrame {
  if (message.frame === "changes") {
    const { packed } = present(message.changes, "a frame holds no changes");
    return { kind: "changes", changes: unpack(packed) };
  }
  const { fingerprints } = present(message.unknown, "an audit brought a frame of no known kind");
  return { kind: "unknown", fingerprints: sumsFromBytes(fingerprints) };
}

export type AskedBlobs = { readonly repo: RepositoryName | undefined; readonly digests: readonly Digest[] };

export function haveRequestToMessage(repo: RepositoryName | undefined, digests: readonly Digest[]): HaveRequest {
  return { ...(repo === undefined ? {} : { repository: repo }), digests: [...digests] };
}

export function haveRequestFromMessage({ repository: repo, digests }: HaveRequest__Output): AskedBlobs {
  if (repo !== undefined && !isRepositoryName(repo)) throw new MalformedMessageError("a request names no repository");
  if (digests.length > MANIFEST_DESCRIPTORS_MAX) {
    throw new MalformedMessageError(`a request names more than ${MANIFEST_DESCRIPTORS_MAX} digests`);
  }
  return { repo, digests: digests.map((text) => parsedDigest(text)) };
}

export function blobFoundToMessage({ digest, size, isLinked }: BlobFound): BlobFoundMessage {
  return { digest, size, isLinked };
}

export function blobFoundFromMessage({ digest, size, isLinked }: BlobFound__Output): BlobFound {
  return { digest: parsedDigest(digest), size: integer(size), isLinked };
}

export type AskedBytes = { readonly digest: Digest; readonly offset: number };

export function readRequestToMessage(digest: Digest, offset: number): ReadRequest {
  return { digest, offset };
}

export function readRequestFromMessage(message: ReadRequest__Output): AskedBytes {
  return { digest: parsedDigest(message.digest), offset: integer(message.offset) };
}

/** A view, as the plain type that the rest of the node compares and stores. */
export function bytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function sumsToBytes(sums: readonly bigint[]): Buffer {
  const buffer = Buffer.alloc(sums.length * SUM_BYTES);
  for (const [index, sum] of sums.entries()) {
    buffer.writeBigUInt64BE(sum >> 64n, index * SUM_BYTES);
    buffer.writeBigUInt64BE(BigInt.asUintN(64, sum), index * SUM_BYTES + 8);
  }
  return buffer;
}

function sumsFromBytes(buffer: Buffer): readonly bigint[] {
  if (buffer.length % SUM_BYTES !== 0) throw new MalformedMessageError(`sums have ${SUM_BYTES} bytes each`);
  return Array.from({ length: buffer.length / SUM_BYTES }, (_, index) => {
    const at = index * SUM_BYTES;
    return (buffer.readBigUInt64BE(at) << 64n) | buffer.readBigUInt64BE(at + 8);
  });
}

function present<Value>(value: Value | null | undefined, complaint: string): Value {
  if (value === null || value === undefined) throw new MalformedMessageError(complaint);
  return value;
}

function parsedDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new MalformedMessageError("a message names no digest that this node supports");
}

function parsedOrigin(text: string): Origin {
  if (isOrigin(text)) return text;
  throw new MalformedMessageError("a message names no origin");
}

/** Of the notation of origins, and drawn alike; a node that draws none sends none. */
function parsedNonce(text: string): string {
  if (text === "" || isOrigin(text)) return text;
  throw new MalformedMessageError("a greeting's nonce is no nonce");
}

function parsedVectorHash(buffer: Buffer): Uint8Array {
  if (buffer.length === VECTOR_HASH_BYTES) return bytes(buffer);
  throw new MalformedMessageError(`the hash of a vector has ${VECTOR_HASH_BYTES} bytes`);
}

function parsedChain(buffer: Buffer): Uint8Array {
  if (buffer.length !== CHAIN_BYTES) throw new MalformedMessageError(`a hash chain has ${CHAIN_BYTES} bytes`);
  return bytes(buffer);
}

/** What exceeds 2^53 - 1 rounds to something that is no safe integer either. */
function integer(text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 0) return value;
  throw new MalformedMessageError("a number is out of range");
}

export function milliseconds(value: number): number {
  if (Number.isFinite(value) && value >= 0) return value;
  throw new MalformedMessageError("a time is not a number of milliseconds");
}

function timestamp(text: string): Hlc {
  const value = BigInt(text);
  if (isHlc(value)) return value;
  throw new MalformedMessageError("a timestamp does not fit 64 bits");
}
