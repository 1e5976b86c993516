/**
 * How fast ops of another node are applied: batches as a stream brings them, through `Metadata.commit`, into a store on
 * this machine's disk with every batch synced. `node test/bench/apply-ops.ts`; OPS=n chooses how many.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";

import { FileJournal } from "../../nodes/platform/file-journal.ts";
import { levelStoreAt } from "../../nodes/platform/level-store.ts";
import { systemRandom } from "../../nodes/platform/system-random.ts";
import type { OpBatch } from "../../nodes/ports/peers.ts";
import { JournaledKv } from "../../nodes/storage/journaled-kv.ts";
import { Metadata } from "../../nodes/storage/metadata.ts";
import { parseClusterId, parseNodeId, parseRegion } from "../../shared/identity.ts";
import { Recorded } from "../support/pulling-node.ts";
import { tagMoves } from "./tag-moves.ts";

const OPS = Number(process.env["OPS"] ?? 200_000);
const OPS_PER_SECOND_MIN = 30_000;
/** As many as a follower has on their way to the disk. */
const UNDER_WAY = 4;

async function main(): Promise<void> {
  const batches = tagMoves(OPS);
  const folder = await mkdtemp(join(tmpdir(), "meridian-apply-"));
  const telemetry = new Recorded();
  const files = await FileJournal.open(join(folder, "journal"));
  const place = levelStoreAt(join(folder, "meta"), () => "today");
  const kv = await JournaledKv.open({ files, place, random: systemRandom, telemetry });
  try {
    const name = { cluster: parseClusterId("bench"), node: parseNodeId("us-1"), region: parseRegion("us") };
    const clock = { wallMs: () => Date.now(), monotonicMs: () => performance.now() };
    const metadata = await Metadata.open({ kv, clock, random: systemRandom, telemetry }, name);

    const cpuBefore = process.cpuUsage();
    const ownBefore = process.threadCpuUsage();
    const startedMs = performance.now();
    await applyAll(metadata, batches);
    const seconds = (performance.now() - startedMs) / 1000;
    const cpu = process.cpuUsage(cpuBefore);
    const own = process.threadCpuUsage(ownBefore);

    const rate = Math.round(OPS / seconds);
    const pass = rate >= OPS_PER_SECOND_MIN;
    console.log(`apply-rate ${rate} op/s at least ${OPS_PER_SECOND_MIN} ${pass ? "pass" : "FAIL"}`);
    const told = [
      `${OPS} ops (${metadata.counts().tags} tags) in ${seconds.toFixed(1)} s`,
      `${((own.user + own.system) / OPS).toFixed(1)} us of the main thread an op`,
      `${((cpu.user + cpu.system) / OPS).toFixed(1)} us of all threads`,
      `${availableParallelism()} cores`,
    ];
    console.log(`# ${told.join(", ")}`);
  } finally {
    await kv.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function applyAll(metadata: Metadata, batches: readonly OpBatch[]): Promise<void> {
  const underWay: Promise<void>[] = [];
  for (const batch of batches) {
    if (underWay.length >= UNDER_WAY) await underWay.shift();
    underWay.push(metadata.commit({ kind: "ops", batch }));
  }
  await Promise.all(underWay);
}

await main();
