import { expect, test } from "vitest";
import { statusText } from "../../../nodes/cli/status.ts";
import type { ClusterTold } from "../../../shared/management-api.ts";

test("what a node keeps aside is an alarm that says why and what to do", () => {
  const cluster: ClusterTold = {
    cluster: "meridian",
    node: "eu-1",
    region: "eu",
    members: [],
    parked: [
      {
        origin: "01a00cc2937126aa",
        reason: "clock",
        since: "2026-01-01T00:00:00.000Z",
        from: 3,
        kept: 2,
        until: "2026-01-01T01:00:00.000Z",
      },
      {
        origin: "02a00cc2937126aa",
        reason: "equivocation",
        since: "2026-01-01T00:00:00.000Z",
        from: 3,
        kept: 1,
        proof: "up to change 2: aa here, bb there",
      },
    ],
  };

  const alarms = statusText(cluster, { entries: [] })
    .split("\n")
    .filter((line) => line.startsWith("!"));

  expect(alarms).toEqual([
    "! 2 changes of origin 01a00cc2937126aa are kept aside: its clock is far ahead; merged at 2026-01-01T01:00:00.000Z; meridian release 01a00cc2937126aa merges them now",
    "! 1 changes of origin 02a00cc2937126aa are kept aside: it told two histories, up to change 2: aa here, bb there; meridian release 02a00cc2937126aa merges them now",
  ]);
});
