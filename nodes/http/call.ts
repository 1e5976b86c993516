import type { IncomingHttpHeaders } from "node:http";

import type { AccessKind } from "../../shared/access.ts";
import type { HostPort } from "../../shared/host-port.ts";
import type { NodeIdentity } from "../../shared/identity.ts";
import { invariant } from "../../shared/invariant.ts";
import type { Health } from "../node.ts";
import type { Operations } from "../registry/operations.ts";
import type { Reply } from "./reply.ts";
import type { RequestBody } from "./request-body.ts";
import type { Target } from "./target.ts";

/** One request, after its target was judged and its route found. */
export type Call = {
  readonly method: string;
  readonly target: Target;
  /** What the path's placeholders stand for, not yet parsed. */
  readonly placeholders: ReadonlyMap<string, string>;
  readonly headers: IncomingHttpHeaders;
  readonly body: RequestBody;
  /** Who asks, as histories will tell. */
  readonly actor: string;
  /** Whose share of what clients may take it counts to. */
  readonly client: string;
  /** Aborts when the client goes away or the node stops waiting. */
  readonly signal: AbortSignal;
};

/** What the handlers may use. */
export type Desk = {
  readonly self: Pick<NodeIdentity, "node" | "region" | "cluster">;
  readonly operations: Operations;
  readonly health: () => Health;
  /** Where the registry listens. */
  readonly registryAddress: () => HostPort;
  /** What Prometheus reads. */
  readonly renderMetrics: () => Promise<RenderedMetrics>;
};

export type RenderedMetrics = { readonly contentType: string; readonly text: string };

export type Listener = "registry" | "ops";

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;
export type Method = (typeof METHODS)[number];

/** As much of a request as an answer at hand may depend on: no query, no body, no range, nothing to wait for. */
export type PlainRead = Pick<Call, "placeholders" | "headers">;

export type Route = {
  readonly method: Method;
  /** `<word>` stands for one segment, `<name>` for one or more; a slash at the end may be left out. */
  readonly path: string;
  readonly access: AccessKind;
  readonly listeners: readonly Listener[];
  readonly answer: (call: Call, desk: Desk) => Promise<Reply> | Reply;
  /** What `answer` would say to a plain read, when it takes no waiting to say it. `undefined`, or a throw, asks `answer`. */
  readonly atHand?: (read: PlainRead, desk: Desk) => Reply | undefined;
};

/** What stood in the place of `<word>`. */
export function placeholder(call: Pick<Call, "placeholders">, word: string): string {
  const text = call.placeholders.get(word);
  invariant(text !== undefined, "a handler asks for placeholders of its own path");
  return text;
}

/** A header; the values of one that came several times are joined, as RFC 9110, section 5.3, reads them. */
export function headerOf({ headers }: Pick<Call, "headers">, name: string): string | undefined {
  const value = headers[name];
  return typeof value === "object" ? value.join(", ") : value;
}
