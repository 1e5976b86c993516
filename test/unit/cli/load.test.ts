import { describe, expect, test } from "vitest";

import type { LabNode } from "../../../cluster-sim/lab/lab.ts";
import { Load, type LoadClient } from "../../../cluster-sim/lab/load.ts";

const LOST_AFTER_MS = 300;

function nodeAt(registry: string): LabNode {
  const nothing = async (): Promise<void> => await Promise.resolve();
  return {
    name: registry,
    region: registry,
    registry,
    peer: "",
    ops: "",
    log: "",
    pid: () => 1,
    kill: nothing,
    stop: nothing,
    restart: nothing,
    pause: () => undefined,
    resume: () => undefined,
  };
}

/** A cluster in memory: what is pushed to `eu` is seen in `us` only while it may spread. */
class Archive implements LoadClient {
  readonly #tags = new Map<string, string>();
  maySpread = true;
  mayPush = true;

  async push(_: string, tag: string): Promise<string> {
    if (!this.mayPush) throw new Error("refused");
    this.#tags.set(tag, `digest of ${tag}`);
    return await Promise.resolve(`digest of ${tag}`);
  }

  async digestOf(registry: string, tag: string): Promise<string | undefined> {
    return await Promise.resolve(registry === "eu" || this.maySpread ? this.#tags.get(tag) : undefined);
  }
}

const nodes = ["eu", "us"].map(nodeAt);

describe("the account of a load", () => {
  test("closes an entry when every node has what was acknowledged, and counts no push that was not", async () => {
    const archive = new Archive();
    const load = new Load({ nodes, isWhole: () => true }, archive);
    load.setRate(100);
    await expect.poll(() => load.counters().everywhere).toBeGreaterThan(5);
    archive.mayPush = false;
    await expect.poll(() => load.counters().failed).toBeGreaterThan(2);
    load.setRate(0);
    await expect.poll(() => load.counters().pending).toBe(0);

    const { acknowledged, everywhere, lost } = load.counters();
    expect({ everywhere, lost }).toEqual({ everywhere: acknowledged, lost: 0 });
    await load.stop();
  });

  test("calls lost what a whole lab has not brought everywhere in time", async () => {
    const archive = new Archive();
    archive.maySpread = false;
    const load = new Load({ nodes, isWhole: () => true }, archive, { lostAfterMs: LOST_AFTER_MS });
    load.setRate(50);
    await expect.poll(() => load.counters().acknowledged).toBeGreaterThan(0);
    load.setRate(0);

    await expect.poll(() => load.counters().pending, { timeout: 5_000 }).toBe(0);
    const { acknowledged, lost } = load.counters();
    expect(lost).toBe(acknowledged);
    await load.stop();
  });

  test("waits as long as something is cut or down, and gives the time again afterwards", async () => {
    const archive = new Archive();
    archive.maySpread = false;
    let isWhole = false;
    const load = new Load({ nodes, isWhole: () => isWhole }, archive, { lostAfterMs: LOST_AFTER_MS });
    load.setRate(50);
    await expect.poll(() => load.counters().acknowledged).toBeGreaterThan(0);
    load.setRate(0);
    const startedMs = performance.now();
    await expect.poll(() => performance.now() - startedMs, { timeout: 5_000 }).toBeGreaterThan(4 * LOST_AFTER_MS);
    expect(load.counters().lost).toBe(0);

    isWhole = true;
    archive.maySpread = true;
    await expect.poll(() => load.counters().pending, { timeout: 5_000 }).toBe(0);
    expect(load.counters().lost).toBe(0);
    await load.stop();
  });
});
