/** Three real processes with a wide-area network between them, driven as CI and operators drive them. */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Lab, startLab } from "../../cluster-sim/lab/lab.ts";
import { eventually } from "../support/eventually.ts";
import { hashedBlobs, taggedDigest, writeOciLayout } from "../support/oci-layout.ts";
import { RegionClient, sha256 } from "../support/region-client.ts";
import { requirements } from "../support/requirements.ts";

const run = promisify(execFile);

/** What the design promises for metadata at these latencies, with room for a busy machine. */
const KNOWN_WITHIN_MS = 5_000;
const CONVERGES_WITHIN_MS = 5_000;
const CYCLES = 20;
const MIB = 1024 * 1024;

let lab: Lab;
let eu: RegionClient;
let us: RegionClient;
let ap: RegionClient;

beforeAll(async () => {
  lab = await startLab({ latencies: "wan" });
  eu = new RegionClient(lab.node("eu"));
  us = new RegionClient(lab.node("us"));
  ap = new RegionClient(lab.node("ap"));
});

afterAll(async () => {
  await lab.stop();
});

/** Until every region says the same of everything, and nothing is on its way. */
async function agreed(withinMs: number): Promise<void> {
  await eventually(async () => {
    const hashes = await Promise.all([eu, us, ap].map(async (region) => await region.stateHash()));
    return hashes.every((hash) => hash === hashes[0]);
  }, withinMs);
}

describe("a push in one region", () => {
  test("is known in the others, and pulled there first from the peer and then from the own disk", async () => {
    const layer = randomBytes(3 * MIB);
    const digest = await eu.pushImage("shop/api", ["1"], [layer]);

    await eventually(async () => (await ap.digestOf("shop/api", "1")) === digest, KNOWN_WITHIN_MS);
    const first = await ap.pullBlob("shop/api", sha256(layer));
    await eventually(async () => (await ap.pullBlob("shop/api", sha256(layer))).source === "local", KNOWN_WITHIN_MS);

    expect(first).toEqual({ source: "peer:eu", isIntact: true });
  });

  test("of a cold 256 MiB blob crosses the ocean once for sixteen clients", async () => {
    const layer = randomBytes(256 * MIB);
    const digest = await eu.pushImage("shop/large", ["1"], [layer]);
    await eventually(async () => (await us.digestOf("shop/large", "1")) === digest, KNOWN_WITHIN_MS);
    const before = await us.metric("meridian_wan_bytes_total", { kind: "blob" });
    // The links run in this process: hashing the layer sixteen times over would stop them for seconds.
    const blob = sha256(layer);

    const pulls = await Promise.all(Array.from({ length: 16 }, async () => await us.pullBlob("shop/large", blob)));

    expect(pulls.every(({ isIntact }) => isIntact)).toBe(true);
    expect((await us.metric("meridian_wan_bytes_total", { kind: "blob" })) - before).toBe(layer.length);
  });

  test("that three regions make at once under one tag ends in one winner, with the others in the conflicts", async () => {
    const digests = await Promise.all(
      [eu, us, ap].map(
        async (region, index) => await region.pushImage("shop/race", ["latest"], [Buffer.from(`${index}`)]),
      ),
    );
    await agreed(CONVERGES_WITHIN_MS);

    const winners = await Promise.all([eu, us, ap].map(async (region) => await region.digestOf("shop/race", "latest")));
    expect(new Set(winners).size).toBe(1);
    for (const region of [eu, us, ap]) {
      const losers = digests.filter((digest) => digest !== winners[0]);
      expect(new Set(await region.conflictLosers("shop/race", "latest"))).toEqual(new Set(losers));
      expect(new Set(await region.historyOf("shop/race", "latest"))).toEqual(new Set(digests));
    }
  });
});

describe("a cut", () => {
  test(`stops neither side, and ${CYCLES} times in a row all regions agree within ${CONVERGES_WITHIN_MS / 1000} s of its end`, async () => {
    for (let cycle = 0; cycle < CYCLES; cycle += 1) {
      await lab.cut("eu", "us");
      await lab.cut("eu", "ap");
      const inside = await eu.pushImage("shop/cut", ["latest", `in-${cycle}`], [Buffer.from(`inside ${cycle}`)]);
      const outside = await us.pushImage("shop/cut", ["latest", `out-${cycle}`], [Buffer.from(`outside ${cycle}`)]);
      await lab.heal();

      await agreed(CONVERGES_WITHIN_MS);
      for (const region of [eu, us, ap]) {
        expect(await region.digestOf("shop/cut", `in-${cycle}`)).toBe(inside);
        expect(await region.digestOf("shop/cut", `out-${cycle}`)).toBe(outside);
        expect(await region.conflictLosers("shop/cut", "latest")).toHaveLength(1);
      }
    }
  });

  test("makes a blob that only the other side holds unavailable, with its holders named, and the heal brings it back", async () => {
    const layer = randomBytes(MIB);
    const digest = await eu.pushImage("shop/far", ["1"], [layer]);
    await eventually(async () => (await ap.digestOf("shop/far", "1")) === digest, KNOWN_WITHIN_MS);
    await lab.cut("eu", "us");
    await lab.cut("eu", "ap");

    await eventually(
      async () => (await ap.refusalOfBlob("shop/far", sha256(layer)))?.status === 503,
      CONVERGES_WITHIN_MS,
    );
    const refusal = await ap.refusalOfBlob("shop/far", sha256(layer));
    await lab.heal();

    expect(refusal?.retryAfter).toMatch(/^[1-9]/);
    expect(refusal?.body).toContain("eu");
    await eventually(
      async () => (await ap.refusalOfBlob("shop/far", sha256(layer))) === undefined,
      CONVERGES_WITHIN_MS,
    );
    expect((await ap.pullBlob("shop/far", sha256(layer))).isIntact).toBe(true);
  });
});

describe("SIGKILL", () => {
  test("in the middle of a push loses nothing that was acknowledged", async () => {
    const acknowledged: { readonly tag: string; readonly digest: string; readonly layer: Buffer }[] = [];
    const killing = new AbortController();
    const pushing = (async () => {
      for (let count = 0; !killing.signal.aborted; count += 1) {
        const layer = randomBytes(256 * 1024);
        const digest = await eu.pushImage("shop/kill", [`${count}`], [layer]).catch(() => undefined);
        if (digest === undefined) return;
        acknowledged.push({ tag: `${count}`, digest, layer });
      }
    })();
    await eventually(async () => await Promise.resolve(acknowledged.length >= 10), 30_000);

    await lab.node("eu").kill();
    killing.abort();
    await pushing;
    await lab.node("eu").restart();

    await agreed(10_000);
    for (const { tag, digest, layer } of acknowledged) {
      expect(await eu.digestOf("shop/kill", tag)).toBe(digest);
      expect(await ap.digestOf("shop/kill", tag)).toBe(digest);
      expect((await eu.pullBlob("shop/kill", sha256(layer))).isIntact).toBe(true);
    }
  });

  test("in the middle of a fetch leaves no half blob, and the next pull is whole", async () => {
    const layer = randomBytes(64 * MIB);
    const digest = await eu.pushImage("shop/half", ["1"], [layer]);
    await eventually(async () => (await ap.digestOf("shop/half", "1")) === digest, KNOWN_WITHIN_MS);

    const broken = ap.pullBlob("shop/half", sha256(layer)).catch(() => undefined);
    await eventually(async () => (await ap.metric("meridian_blob_fetches_in_progress", {})) > 0, 10_000);
    await lab.node("ap").kill();
    await broken;
    await lab.node("ap").restart();

    await eventually(async () => (await ap.digestOf("shop/half", "1")) === digest, KNOWN_WITHIN_MS);
    await eventually(
      async () => (await ap.refusalOfBlob("shop/half", sha256(layer))) === undefined,
      CONVERGES_WITHIN_MS,
    );
    expect((await ap.pullBlob("shop/half", sha256(layer))).isIntact).toBe(true);
  });
});

describe.skipIf(!requirements.skopeo().available)("skopeo", () => {
  test("copies a real image of over 100 MB into eu and out of ap, bit for bit", async () => {
    const folder = await mkdtemp(join(tmpdir(), "meridian-e2e-"));
    try {
      const image = await writeOciLayout(join(folder, "in"));
      expect(image.bytes).toBeGreaterThan(100_000_000);
      const copy = async (source: string, target: string): Promise<void> => {
        const words = [
          "copy",
          "--insecure-policy",
          "--preserve-digests",
          "--src-tls-verify=false",
          "--dest-tls-verify=false",
          source,
          target,
        ];
        await run("skopeo", words);
      };

      await copy(`oci:${image.directory}:1`, `docker://${eu.registry}/real/image:1`);
      await eventually(async () => (await ap.digestOf("real/image", "1")) === image.manifestDigest, KNOWN_WITHIN_MS);
      await copy(`docker://${ap.registry}/real/image:1`, `oci:${join(folder, "out")}:1`);

      expect(await taggedDigest(join(folder, "out"))).toBe(image.manifestDigest);
      expect(await hashedBlobs(join(folder, "out"))).toEqual(await hashedBlobs(image.directory));
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
