import { expect, test } from "vitest";

import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimTelemetry } from "../../../cluster-sim/sim-telemetry.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { PeerDirectory } from "../../../nodes/cluster/peer-directory.ts";
import type { PeerCalls, PeerLink } from "../../../nodes/ports/peers.ts";
import { PeerError } from "../../../shared/peer-error.ts";
import { calls, greeting } from "../../support/rpc-fixture.ts";

const ADDRESS = "us-1.example:7000";
const REFUSAL = "us-1 belongs to cluster theirs, eu-1 to ours";

function directoryWith(greet: PeerCalls["greet"]): {
  readonly world: World;
  readonly telemetry: SimTelemetry;
  readonly directory: PeerDirectory;
} {
  const world = new World(1);
  const telemetry = new SimTelemetry();
  const link: PeerLink = { ...calls({ greet }), close: () => undefined };
  const directory = new PeerDirectory({
    self: greeting("eu-1"),
    join: [ADDRESS],
    peers: { dial: () => link },
    clock: new SimClock(world),
    timers: new SimTimers(world),
    random: world.chanceFor("random"),
    telemetry,
    fence: () => undefined,
  });
  return { world, telemetry, directory };
}

function toldOfRefusals({ told }: SimTelemetry): readonly unknown[] {
  return told.filter(({ event }) => event === "a peer refuses this node");
}

test("a peer that refuses this node is told of once, with what it says, however often it is asked", async () => {
  const { world, telemetry, directory } = directoryWith(async () => {
    throw new PeerError("refused", REFUSAL);
  });

  directory.start();
  await world.runFor(20_000);

  expect(toldOfRefusals(telemetry)).toEqual([
    { level: "error", event: "a peer refuses this node", fields: { address: ADDRESS, problem: REFUSAL } },
  ]);
  expect(directory.reachable()).toEqual([]);
  await world.run(directory.stop());
});

test("a refusal that comes back after the peer had answered is told of again", async () => {
  let isRefusing = true;
  const { world, telemetry, directory } = directoryWith(async () => {
    if (isRefusing) throw new PeerError("refused", REFUSAL);
    return greeting("us-1");
  });

  directory.start();
  await world.runFor(10_000);
  isRefusing = false;
  await world.runFor(10_000);
  isRefusing = true;
  await world.runFor(10_000);

  expect(toldOfRefusals(telemetry)).toHaveLength(2);
  await world.run(directory.stop());
});
