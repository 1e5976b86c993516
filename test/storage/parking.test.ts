import { describe, expect, test } from "vitest";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import type { OpBatch } from "../../nodes/ports/peers.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import { ChainError } from "../../nodes/storage/op-log.ts";
import { parseTag } from "../../shared/reference.ts";
import { VersionVector } from "../../shared/version-vector.ts";
import { imageNamed, LATEST, openMetadata, push, REPO, stillClock, sync } from "../support/metadata-fixture.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const HOUR_MS = 3_600_000;
const NOW_MS = 1_700_000_000_000;

async function opsOf(source: Metadata, from: number): Promise<OpBatch> {
  const batch = await source.opsFrom(source.self.origin, from);
  if (batch === undefined) throw new Error("the log holds the pushes");
  return batch;
}

async function shown(metadata: Metadata, tag = LATEST): Promise<string | undefined> {
  return (await metadata.reader.tag(REPO, tag))?.digest;
}

describe("an origin whose clock is an hour ahead", () => {
  test("is parked from its first such op on, while its earlier ops and all other origins go on", async () => {
    const clock = stillClock(NOW_MS);
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const ap = await openMetadata(new SimKv(), "ap");
    const us = await openMetadata(new SimKv(), "us", { clock: stillClock(NOW_MS) });
    await push(eu, imageNamed("one"));
    clock.move(HOUR_MS);
    await push(eu, imageNamed("two"));
    await push(ap, imageNamed("three"), [parseTag("other")]);

    await sync(eu, us);
    await sync(ap, us);

    expect(us.parked()).toEqual([
      {
        origin: eu.self.origin,
        reason: "clock",
        sinceMs: NOW_MS,
        at: 3,
        upto: 4,
        untilMs: NOW_MS + HOUR_MS - 60_000,
        proof: undefined,
      },
    ]);
    expect(us.held().upto(eu.self.origin)).toBe(2);
    expect(await shown(us)).toBe(imageNamed("one").digest);
    expect(await shown(us, parseTag("other"))).toBe(imageNamed("three").digest);
  });

  test("is let go when its time has come, with all that came meanwhile, also after a restart", async () => {
    const clock = stillClock(NOW_MS);
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const kv = new SimKv();
    const usClock = stillClock(NOW_MS);
    const before = await openMetadata(kv, "us", { clock: usClock });
    clock.move(HOUR_MS);
    await push(eu, imageNamed("one"));
    await before.commit({ kind: "ops", batch: await opsOf(eu, 1) });
    await push(eu, imageNamed("two"));
    await before.commit({ kind: "ops", batch: await opsOf(eu, 3) });
    const us = await openMetadata(kv, "us", { clock: usClock, seed: 5 });
    const early = await us.release(eu.self.origin, false);
    const parked = us.parked().length;
    usClock.move(HOUR_MS);

    await us.release(eu.self.origin, false);

    expect([early, parked]).toEqual([true, 1]);
    expect(us.parked()).toEqual([]);
    expect(us.stateHash()).toBe(eu.stateHash());
    expect(us.held().equals(eu.held())).toBe(true);
  });

  test("is let go at once when a person says so", async () => {
    const clock = stillClock(NOW_MS + HOUR_MS);
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const us = await openMetadata(new SimKv(), "us", { clock: stillClock(NOW_MS) });
    await push(eu, imageNamed("one"));
    await sync(eu, us);

    expect(await us.release(eu.self.origin, true)).toBe(true);
    expect(await us.release(eu.self.origin, true)).toBe(false);
    expect(us.stateHash()).toBe(eu.stateHash());
  });

  test("is merged where it comes in whole registers, which somebody has merged before", async () => {
    const eu = await openMetadata(new SimKv(), "eu", { clock: stillClock(NOW_MS + HOUR_MS), opLogOpsMax: 1 });
    const us = await openMetadata(new SimKv(), "us", { clock: stillClock(NOW_MS) });
    await push(eu, imageNamed("one"));
    await push(eu, imageNamed("two"));

    await sync(eu, us);

    expect(us.parked()).toEqual([]);
    expect(us.stateHash()).toBe(eu.stateHash());
  });

  test("is not vouched for by a session that began before it was let go", async () => {
    const clock = stillClock(NOW_MS + HOUR_MS);
    const eu = await openMetadata(new SimKv(), "eu", { clock });
    const us = await openMetadata(new SimKv(), "us", { clock: stillClock(NOW_MS) });
    await push(eu, imageNamed("one"));
    await push(eu, imageNamed("two"));
    await us.commit({ kind: "ops", batch: await opsOf(eu, 1) });
    const begunAt = us.releases;
    await us.release(eu.self.origin, true);
    const held = us.held();
    const chains = new Map();
    const told = new VersionVector();
    told.advance(eu.self.origin, 40);

    await us.commit({ kind: "end", held: told, chains, begunAt });

    expect(us.held()).toEqual(held);
  });
});

describe("an origin that tells two histories", () => {
  async function forked(): Promise<{ readonly us: Metadata; readonly first: Metadata; readonly second: Metadata }> {
    const us = await openMetadata(new SimKv(), "us");
    const first = await openMetadata(new SimKv(), "eu", { seed: 7 });
    const second = await openMetadata(new SimKv(), "eu", { seed: 7 });
    await push(first, imageNamed("one"));
    await push(second, imageNamed("another"));
    await push(second, imageNamed("more"));
    await sync(first, us);
    return { us, first, second };
  }

  test("is parked with the proof, whether the ops in dispute come again or only what follows on them", async () => {
    for (const from of [1, 3]) {
      const { us, first, second } = await forked();
      const batch = await opsOf(second, from);
      const { ops: told, chain } = await opsOf(second, 1);

      await us.commit({ kind: "ops", batch });

      const [parked] = us.parked();
      expect(parked).toMatchObject({ origin: first.self.origin, reason: "equivocation", at: 3, upto: 4, untilMs: 0 });
      expect(parked?.proof?.seq).toBe(2);
      expect(parked?.proof?.ops).toEqual(from === 1 ? told.slice(0, 2) : []);
      expect(parked?.proof?.held).not.toEqual(chain);
      expect(us.held().upto(first.self.origin)).toBe(2);
      expect(us.stateHash()).toBe(first.stateHash());
    }
  });

  test("stays parked until a person has looked, and then goes on with what it tells now", async () => {
    const { us, first, second } = await forked();
    await us.commit({ kind: "ops", batch: await opsOf(second, 1) });
    await us.release(first.self.origin, false);
    const waiting = us.parked().length;
    await us.release(first.self.origin, true);
    await push(second, imageNamed("last"));

    await us.commit({ kind: "ops", batch: await opsOf(second, 5) });

    expect(waiting).toBe(1);
    expect(us.parked()).toEqual([]);
    expect(us.held().upto(first.self.origin)).toBe(6);
    expect(await shown(us)).toBe(imageNamed("last").digest);
  });

  test("is not what somebody else can make of it by telling ops that do not hash to their chain", async () => {
    const { us, first, second } = await forked();
    await push(first, imageNamed("two"));
    const twisted = { ...(await opsOf(first, 3)), ops: (await opsOf(second, 3)).ops };

    expect(await rejectionOf(us.commit({ kind: "ops", batch: twisted }))).toBeInstanceOf(ChainError);
    expect(us.parked()).toEqual([]);
  });
});
