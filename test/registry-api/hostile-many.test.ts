/** A client that opens more connections than are its share. */
import { expect } from "vitest";

import { eventually } from "../support/eventually.ts";
import { field, RawConnection, requestHead } from "../support/raw-http.ts";
import { startTestNode } from "../support/test-node.ts";
import { test as base } from "./one-node.ts";

const SHARE = 5;

const test = base.override("node", { scope: "file" }, async ({ region }, { onCleanup }) => {
  const node = await startTestNode(region, { limits: { connections: 100, connectionsPerClient: SHARE } });
  onCleanup(async () => await node[Symbol.asyncDispose]());
  return node;
});

test("one connection more than a client may have is told so and closed, and the others are served (reliability D-01)", async ({
  node,
}) => {
  const held = await Promise.all(Array.from({ length: SHARE }, async () => await RawConnection.open(node.port)));
  await eventually(async () => node.connections.open === SHARE, 5_000);

  using refused = await RawConnection.open(node.port);
  const reply = await refused.reply();

  expect([reply.status, field(reply, "connection")]).toEqual([503, "close"]);
  expect(reply.body.toString()).toContain("too many connections");
  expect(await refused.isAtEnd()).toBe(true);
  for (const connection of held) {
    await connection.write(requestHead("GET", "/v2/"));
    expect((await connection.reply()).status).toBe(200);
  }
  held[0]?.destroy();
  await eventually(async () => node.connections.open < SHARE, 5_000);
  using again = await RawConnection.open(node.port);
  await again.write(requestHead("GET", "/v2/"));
  expect((await again.reply()).status).toBe(200);
  for (const connection of held) connection.destroy();
});
