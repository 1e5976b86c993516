/**
 * Clients that hold on to a connection and do nothing with it, a hundred of them at once, on a node of little
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
const PATIENCE = { idleMs: 500, headsMs: 500 };
const GIVEN_UP_WITHIN_MS = 40_000;
/** Often enough never to fall silent, seldom enough never to get anywhere. */
const DRIBBLE_MS = 100;
/** More than the system takes from us for a reader who reads nothing. */
const LARGE_BYTES = 16 * 1024 * 1024;

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

const HEADS: readonly Slow[] = [
  { title: "nothing at all", sends: () => "" },
  { title: "half a head", sends: () => "GET /v2/ HTTP/1.1\r\nHost: a\r\nX-" },
  { title: "a head, line by line", sends: () => "GET /v2/ HTTP/1.1\r\nHost: a\r\n", dribbles: "X-A: b\r\n" },
  { title: "empty lines", sends: () => "", dribbles: "\r\n" },
];

const BODIES: readonly Slow[] = [
  { title: "half a body", sends: (session) => `${requestHead("PATCH", session, ["Content-Length: 100"])}x` },
  {
    title: "a body, byte by byte",
    sends: (session) => requestHead("PATCH", session, ["Content-Length: 999999"]),
    dribbles: "x",
  },
  {
    title: "chunks, one by one",
    sends: (session) => requestHead("PATCH", session, ["Transfer-Encoding: chunked"]),
    dribbles: "1\r\nx\r\n",
  },
  {
    title: "a chunk's extension, byte by byte",
    sends: (session) => `${requestHead("PATCH", session, ["Transfer-Encoding: chunked"])}1;a=`,
    dribbles: "b",
  },
  {
    title: "half a manifest",
    sends: () => `${requestHead("PUT", "/v2/team/slow/manifests/v1", ["Content-Length: 100"])}{`,
  },
  {
    title: "nothing when invited to send",
    sends: (session) => requestHead("PATCH", session, ["Expect: 100-continue", "Content-Length: 5"]),
  },
  {
    title: "a body that nobody reads, byte by byte",
    sends: () => requestHead("GET", "/v2/", ["Content-Length: 100"]),
    dribbles: "x",
  },
];

const READERS: readonly Slow[] = [
  { title: "one question for a large blob", sends: (_, large) => requestHead("GET", large) },
  { title: "ninety questions for a large blob", sends: (_, large) => requestHead("GET", large).repeat(90) },
];

/** Sends, and reads nothing. The far end's resets are what is waited for. */
async function hold(port: number, slow: Slow | undefined, session: string, large: string): Promise<Socket> {
  const { sends, dribbles } = slow ?? { sends: () => "", dribbles: undefined };
  const bytes = sends(session, large);
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

test.for([
  ["a head", HEADS],
  ["a body", BODIES],
  ["reading", READERS],
] as const)(
  "a hundred clients that never finish %s are given up, their connections given back, and others served meanwhile (reliability D-01)",
  async ([, kinds], { client, node, repo }) => {
    const bytes = noise(LARGE_BYTES, "read by nobody");
    await client.pushManifest(repo, "v1", index([]));
    const large = `/v2/${repo}/blobs/${await client.pushBlob(repo, bytes)}`;
    const sessions = await Promise.all(Array.from({ length: CLIENTS }, async () => await client.startUpload(repo)));
    client.close();
    await eventually(async () => node.connections.open === 0, GIVEN_UP_WITHIN_MS);

    const takenBefore = node.connections.taken;
    const sockets = await Promise.all(
      sessions.map(async (session, at) => await hold(node.port, kinds[at % kinds.length], session, large)),
    );
    let areGone = false;
    const others = serveOthersUntil(node, repo, () => areGone);
    const isOver = async (): Promise<boolean> => {
      const { open, taken } = node.connections;
      // What is left is the connection of the others.
      return taken - takenBefore >= CLIENTS && open <= 1;
    };
    await eventually(isOver, GIVEN_UP_WITHIN_MS).finally(() => {
      areGone = true;
      for (const socket of sockets) socket.destroy();
    });

    expect(await others).toEqual(new Set([200, 204]));
    expect(digestOf((await client.get(large)).body)).toBe(digestOf(bytes));
  },
);
