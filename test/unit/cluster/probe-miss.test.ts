import { expect, test } from "vitest";

import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimKv } from "../../../cluster-sim/sim-kv.ts";
import { SimTelemetry } from "../../../cluster-sim/sim-telemetry.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { ProbeMiss } from "../../../nodes/cluster/probe-miss.ts";
import { LATEST, openMetadata, REPO } from "../../support/metadata-fixture.ts";
import { calls, greeting } from "../../support/rpc-fixture.ts";

test("a peer whose answer to a miss makes no sense is refused, counted and told of", async () => {
  const world = new World(1);
  const telemetry = new SimTelemetry();
  const metadata = await openMetadata(new SimKv(), "eu");
  const link = { ...calls({ lookup: async () => [Uint8Array.of(9, 9, 9)] }), close: () => undefined };
  const peer = { greeting: greeting("us-1"), address: "us-1.example:7000", link, roundTripMs: 9, sinceMs: 0 };
  const directory = { reachable: () => [{ ...peer, reachability: "reachable" as const }] };
  const ports = { clock: new SimClock(world), timers: new SimTimers(world), telemetry };
  const probeMiss = new ProbeMiss({ metadata, directory, ...ports });

  const isFound = await world.run(probeMiss.manifest(REPO, { kind: "tag", tag: LATEST }));

  expect(isFound).toBe(false);
  expect(telemetry.read("meridian_replication_refused_total", { reason: "malformed" })).toBe(1);
  expect(telemetry.told.map(({ level, event }) => [level, event])).toEqual([
    ["error", "could not keep what a peer sent"],
  ]);
  expect(metadata.stateHash()).toBe("0".repeat(32));
});
