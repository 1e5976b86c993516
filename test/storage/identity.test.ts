import { describe, expect, test } from "vitest";
import { SimKv } from "../../cluster-sim/sim-kv.ts";
import { OwnPastError } from "../../nodes/storage/merge-arrived.ts";
import type { Metadata } from "../../nodes/storage/metadata.ts";
import { RegistryError } from "../../shared/errors.ts";
import type { VersionVector } from "../../shared/version-vector.ts";
import { imageNamed, LATEST, openMetadata, push, REPO, sync } from "../support/metadata-fixture.ts";
import { rejectionOf } from "../support/thrown-by.ts";

type PutBack = {
  readonly us: Metadata;
  /** `eu` as it was after its first push, while `us` knows three. */
  readonly eu: Metadata;
  readonly euKv: SimKv;
  readonly remembered: VersionVector;
};

async function putBack(): Promise<PutBack> {
  const euKv = new SimKv();
  const lost = await openMetadata(euKv, "eu");
  await push(lost, imageNamed("one"));
  const image = euKv.image();
  const us = await openMetadata(new SimKv(), "us");
  for (const name of ["two", "three"]) await push(lost, imageNamed(name));
  await sync(lost, us);
  const restored = SimKv.from(image);
  return { us, eu: await openMetadata(restored, "eu", { seed: 99 }), euKv: restored, remembered: us.held() };
}

describe("a data directory that was put back", () => {
  test("gets a new origin, and its former ops back as those of a foreign node", async () => {
    const { us, eu, euKv } = await putBack();
    const sealed = eu.self.origin;

    const origin = await eu.beginAgain(sealed);
    await sync(us, eu);
    await push(eu, imageNamed("four"));
    await sync(eu, us);

    expect(origin).not.toBe(sealed);
    expect(eu.held().entries()).toEqual(us.held().entries());
    expect(eu.stateHash()).toBe(us.stateHash());
    expect((await us.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("four").digest);
    expect((await openMetadata(euKv, "eu")).self.origin).toBe(origin);
  });

  test("ends no session as if it had kept what is its own and not here", async () => {
    const { us, eu } = await putBack();
    const held = eu.held();

    const refusal = await rejectionOf(sync(us, eu));

    expect(refusal).toBeInstanceOf(OwnPastError);
    expect(eu.held()).toEqual(held);
  });

  test("cannot begin again once it has written under numbers that are taken", async () => {
    const { eu } = await putBack();
    const { origin } = eu.self;
    await push(eu, imageNamed("four"));

    expect(await eu.beginAgain(origin)).toBeUndefined();
    expect(eu.self.origin).toBe(origin);
  });
});

describe("a node that holds its writes", () => {
  test("refuses what needs an op with when to try again, and takes what needs none", async () => {
    const us = await openMetadata(new SimKv(), "us");
    const eu = await openMetadata(new SimKv(), "eu");
    await push(us, imageNamed("one"));
    eu.holds.hold("identity", "it has not asked yet");

    await sync(us, eu);
    const again = push(eu, imageNamed("one"));
    const another = await rejectionOf(push(eu, imageNamed("two")));

    await expect(again).resolves.toBeUndefined();
    expect(another).toEqual(
      new RegistryError("UNAVAILABLE", undefined, {
        message: "this node takes no writes for now: it has not asked yet",
        retryAfterSeconds: 5,
      }),
    );
    expect((await eu.reader.tag(REPO, LATEST))?.digest).toBe(imageNamed("one").digest);
  });

  test("writes again once every hold is lifted", async () => {
    const eu = await openMetadata(new SimKv(), "eu");
    eu.holds.hold("identity", "one");
    eu.holds.hold("clock", "two");
    eu.holds.lift("identity");
    const held = await rejectionOf(push(eu, imageNamed("one")));
    eu.holds.lift("clock");

    await push(eu, imageNamed("one"));

    expect(held).toBeInstanceOf(RegistryError);
    expect(eu.counts()).toEqual({ repositories: 1, tags: 1 });
  });
});
