/**
 * Who a node is. Three names that must not be mixed up: the *node id* is what the operator calls it and survives
 * everything; the *origin* belongs to the data directory and is minted with it, so that a wiped node never reuses
 * the sequence numbers of its former life; the *boot* counts the starts of one origin. Copies of one directory count
 * alike, so each start also draws a *nonce*: two that are alive at once are never the same by it.
 */
import type { Brand } from "./brand.ts";
import { NODE_NAME_LENGTH_MAX } from "./limits.ts";

/** The operator's stable name of a node: lower-case letters, digits and inner hyphens, at most 63 characters (a DNS label). */
export type NodeId = Brand<string, "NodeId">;
/** The operator's name of a region, in the same grammar. */
export type Region = Brand<string, "Region">;
/** Names the cluster, in the same grammar. Nodes of different clusters refuse each other. */
export type ClusterId = Brand<string, "ClusterId">;
/** 64 random bits as 16 lower-case hex digits, minted with the data directory. */
export type Origin = Brand<string, "Origin">;

const LABEL = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/;
const ORIGIN = /^[0-9a-f]{16}$/;

function isLabel(text: string): boolean {
  return text.length <= NODE_NAME_LENGTH_MAX && LABEL.test(text);
}

export function isNodeId(text: string): text is NodeId {
  return isLabel(text);
}

export function isRegion(text: string): text is Region {
  return isLabel(text);
}

export function isClusterId(text: string): text is ClusterId {
  return isLabel(text);
}

export function isOrigin(text: string): text is Origin {
  return ORIGIN.test(text);
}

/** @throws {TypeError} when `text` is not 16 lower-case hex digits. */
export function parseOrigin(text: string): Origin {
  if (isOrigin(text)) return text;
  throw new TypeError(`not an origin: ${JSON.stringify(text.slice(0, 32))}`);
}

/** @throws {TypeError} when `text` is not a node name. */
export function parseNodeId(text: string): NodeId {
  if (isNodeId(text)) return text;
  throw new TypeError(`not a node name: ${JSON.stringify(text.slice(0, 80))}`);
}

/** @throws {TypeError} when `text` is not a region name. */
export function parseRegion(text: string): Region {
  if (isRegion(text)) return text;
  throw new TypeError(`not a region name: ${JSON.stringify(text.slice(0, 80))}`);
}

/** @throws {TypeError} when `text` is not a cluster name. */
export function parseClusterId(text: string): ClusterId {
  if (isClusterId(text)) return text;
  throw new TypeError(`not a cluster name: ${JSON.stringify(text.slice(0, 80))}`);
}

/** What a node says of itself on every connection, and what the others remember of it. */
export type NodeIdentity = {
  readonly cluster: ClusterId;
  readonly node: NodeId;
  readonly region: Region;
  readonly origin: Origin;
  /** Starts of this origin, from 1; made durable before the first message of that start. */
  readonly boot: number;
  /** 64 random bits as 16 lower-case hex digits, drawn at each start; empty for a node of a version that draws none. */
  readonly nonce: string;
};
