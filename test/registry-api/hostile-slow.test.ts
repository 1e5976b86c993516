/**
 * Clients that hold on to a connection and do nothing with it, a hundred of each kind at once, on a node of little
 * patience. Nothing is said about how fast they are thrown out, only that they all are, and that others are served.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { expect } from "vitest";

import { eventually } from "../support/eventually.ts";
import { digestOf, index, noise } from "../support/oci-fixtures.ts";
import { requestHead } from "../support/raw-http.ts";
import { startTestNode, type TestNode } from "../support/test-node.ts";
import { test as base } from "./one-node.ts";

const CLIENTS = 100;
const PATIENCE = { idleMs: 1_000, headsMs: 1_000 };
const GIVEN_UP_WITHIN_MS = 40_000;
/** Often enough never to fall silent, seldom enough never to get anywhere. */
const DRIBBLE_MS = 200;
/** More than the system takes from us for a reader who reads nothing. */
const LARGE_BYTES = 24 * 1024 * 1024;

const test = base.override("node", { scope: "file" }, async ({ region }, { onCleanup }) => {
  const node = await startTestNode(region, PATIENCE);
  onCleanup(async () => await node[Symbol.asyncDispose]());
  return node;
});

type Slow = {
  readonly title: string;
  readonly sends: (session: string, large: string) => string;
  /** Sent again and again after it. */
  readonly dribbles?: string;
};

const SLOW: readonly Slow[] = [
  { title: "say nothing", sends: () => "" },
  { title: "stop in the middle of a head", sends: () => "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-" },
  { title: "dribble a head", sends: () => "GET /v2/ HTTP/1.1\r\nHost: a\r\n", dribbles: "X-A: b\r\n" },
  { title: "dribble empty lines", sends: () => "", dribbles: "\r\n" },
  { title: "stop in the middle of a body", sends: (session) => `${requestHead("PATCH", session, ["Content-Length: 100"])}x` },
  { title: "dribble a body", sends: (session) => requestHead("PATCH", session, ["Content-Length: 999999"]), dribbles: "x" },
  { title: "dribble chunks", sends: (session) => requestHead("PATCH", session, ["Transfer-Encoding: chunked"]), dribbles: "1\r\nx\r\n" },
  { title: "dribble a chunk's extension", sends: (session) => `${requestHead("PATCH", session, ["Transfer-Encoding: chunked"])}1;a=`, dribbles: "b" },
  { title: "stop in the middle of a manifest", sends: () => `${requestHead("PUT", "/v2/team/slow/manifests/v1", ["Content-Length: 100"])}{` },
  { title: "are invited to send, and do not", sends: (session) => requestHead("PATCH", session, ["Expect: 100-continue", "Content-Length: 5"]) },
  { title: "never finish a body that nobody reads", sends: () => requestHead("GET", "/v2/", ["Content-Length: 100"]), dribbles: "x" },
  { title: "read nothing of a large blob", sends: (_, large) => requestHead("GET", large) },
  { title: "ask for a large blob ten times, and read nothing", sends: (_, large) => requestHead("GET", large).repeat(10) },
];

/** Sends, and reads nothing. The far end's resets are what is waited for. */
async function hold(port: number, { dribbles }: Slow, bytes: string): Promise<Socket> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  socket.pause();
  if (bytes !== "") socket.write(bytes);
  if (dribbles === undefined) return socket;
  const timer = setInterval(() => socket.write(dribbles), DRIBBLE_MS);
  socket.once("close", () => clearInterval(timer));
  return socket;
}

async function serveOthersUntil(node: TestNode, repo: string, isOver: () => boolean): Promise<ReadonlySet<number>> {
  const statuses = new Set<number>();
  while (!isOver()) {
    const upload = await node.client.startUpload(repo);
    const replies = [await node.client.getManifest(repo, "v1"), await node.client.delete(upload)];
    for (const { status } of replies) statuses.add(status);
  }
  return statuses;
}

test.for(SLOW)(
  "a hundred clients that $title are given up, their connections given back, and others served meanwhile (reliability D-01)",
  async (slow, { client, node, repo }) => {
    const bytes = noise(LARGE_BYTES, "read by nobody");
    await client.pushManifest(repo, "v1", index([]));
    const large = `/v2/${repo}/blobs/${await client.pushBlob(repo, bytes)}`;
    const sessions = await Promise.all(Array.from({ length: CLIENTS }, async () => await client.startUpload(repo)));
    client.close();
    await eventually(async () => node.connections === 0, GIVEN_UP_WITHIN_MS);

    const sockets = await Promise.all(
      sessions.map(async (session) => await hold(node.port, slow, slow.sends(session, large))),
    );
    let areGone = false;
    const others = serveOthersUntil(node, repo, () => areGone);
    // What is left is the connection of the others.
    await eventually(async () => node.connections <= 1, GIVEN_UP_WITHIN_MS).finally(() => {
      areGone = true;
      for (const socket of sockets) socket.destroy();
    });

    expect([...(await others)].toSorted()).toEqual([200, 204]);
    expect(digestOf((await client.get(large)).body)).toBe(digestOf(bytes));
  },
);
