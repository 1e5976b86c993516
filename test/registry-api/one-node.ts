/**
 * The test of this folder: each file has one running node of its own, and each test a repository that nobody else uses.
 */
import { test as base } from "vitest";

import { startTestNode } from "../support/test-node.ts";

let repositories = 0;

export const test = base
  .extend("region", { scope: "file" }, "eu")
  .extend("node", { scope: "file" }, async ({ region }, { onCleanup }) => {
    const node = await startTestNode(region);
    onCleanup(async () => await node[Symbol.asyncDispose]());
    return node;
  })
  .extend("client", ({ node }) => node.client)
  .extend("repo", () => {
    repositories += 1;
    return `team/image-${repositories}`;
  });
