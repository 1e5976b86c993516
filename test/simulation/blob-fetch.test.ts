import { describe, expect, test } from "vitest";

import type { FetchedBlob } from "../../nodes/cluster/fetch-blob.ts";
import { digestOf } from "../../shared/digest.ts";
import { DiskFullError } from "../../shared/disk-errors.ts";
import { RegistryError } from "../../shared/errors.ts";
import {
  BLOB_FETCH_STALL_MS,
  BLOB_FETCHES_MAX,
  BLOB_READ_CHUNK_BYTES,
  BODY_IDLE_MS_MAX,
  MISS_PROBE_PEERS,
} from "../../shared/limits.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { imageNamed, push, REPO } from "../support/metadata-fixture.ts";
import { bytesIn, bytesOf, PullingNode, wholeOf } from "../support/pulling-node.ts";

const MIB = 1024 * 1024;
const CHUNK = BLOB_READ_CHUNK_BYTES;
const SIZE = 2 * MIB + 12_345;
const BLOB = bytesOf(SIZE);
const NEVER = new AbortController().signal;

/** The same bytes but for one bit. */
function flipped(bytes: Buffer, at: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}

type Outcome = { readonly bytes: Buffer } | { readonly error: unknown };

/** How a reading ended, and nothing thrown: several can be waited for at once. */
async function outcomeOf(reading: Promise<Buffer>): Promise<Outcome> {
  try {
    return { bytes: await reading };
  } catch (error) {
    return { error };
  }
}

function refusal(outcome: Outcome): Pick<RegistryError, "code" | "status" | "detail" | "retryAfterSeconds"> {
  if (!("error" in outcome) || !(outcome.error instanceof RegistryError)) {
    throw new Error("expected a refusal", { cause: outcome });
  }
  const { code, status, detail, retryAfterSeconds } = outcome.error;
  return { code, status, detail, retryAfterSeconds };
}

async function refusalOfOpening(node: PullingNode, opening: Promise<FetchedBlob>): Promise<ReturnType<typeof refusal>> {
  const never = opening.then(() => Buffer.alloc(0));
  return refusal(await node.world.run(outcomeOf(never)));
}

describe("many readers", () => {
  test("sixteen readers of a blob that is elsewhere cause one transfer, and each gets every byte", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);

    const readers = Array.from({ length: 16 }, async () => await wholeOf(await node.fetch.open(REPO, digest, NEVER)));
    const read = await node.world.run(Promise.all(readers));

    expect(read.map((bytes) => bytes.equals(BLOB))).toEqual(Array.from({ length: 16 }, () => true));
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: SIZE }]);
    expect(node.holder("us").reads).toEqual([]);
    expect(node.telemetry.valueOf("meridian_blob_fetches_total", { result: "fetched" })).toBe(1);
    expect(node.telemetry.valueOf("meridian_blob_fetches_joined_total")).toBe(15);
    expect(node.telemetry.valueOf("meridian_blob_source_total", { source: "peer:eu" })).toBe(16);
    expect(node.telemetry.valueOf("meridian_wan_bytes_total", { source: "eu", target: "ap", kind: "blob" })).toBe(SIZE);
    expect(node.telemetry.valueOf("meridian_blob_fetches_in_progress")).toBe(0);
  });

  test("once it has landed it is read from the own disk, and nobody is asked", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    await node.pull(digest);
    const asked = node.holder("eu").questions;

    const blob = await node.open(digest);

    expect(blob.source).toBe("local");
    expect((await node.world.run(wholeOf(blob))).equals(BLOB)).toBe(true);
    expect(node.holder("eu").questions).toBe(asked);
    expect(await node.world.run(node.disk.staged())).toEqual([]);
    await node.world.run(blob.close());
    expect(node.openBlobs()).toBe(0);
  });

  test("a slow reader holds up neither the transfer nor another reader", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    const finishedMs: string[] = [];
    const read = async (name: string, msPerChunk: number): Promise<Buffer> => {
      const blob = await node.fetch.open(REPO, digest, NEVER);
      const bytes = await bytesIn(blob, { start: 0, end: SIZE }, async () => await node.timers.sleep(msPerChunk));
      finishedMs.push(name);
      return bytes;
    };
    const startMs = node.world.nowMs;

    const slow = read("slow", 10_000);
    const quick = await node.world.run(read("quick", 0));
    const quickMs = node.world.nowMs - startMs;

    expect(quick.equals(BLOB)).toBe(true);
    expect(quickMs).toBeLessThan(1_000);
    expect((await node.world.run(slow)).equals(BLOB)).toBe(true);
    expect(finishedMs).toEqual(["quick", "slow"]);
  });

  test("a reader that goes away, while it reads or before anything is known, leaves the others undisturbed", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    const leaving = new AbortController();
    const early = new AbortController();

    const opening = outcomeOf(node.fetch.open(REPO, digest, early.signal).then(wholeOf));
    const blob = node.fetch.open(REPO, digest, NEVER);
    early.abort(new Error("gone early"));
    const left = node.world.run(blob).then(async (open) => {
      const gone = bytesIn(open, { start: 0, end: SIZE }, async () => leaving.abort(new Error("gone")), leaving.signal);
      return await outcomeOf(gone);
    });
    const stayed = wholeOf(await blob);

    expect(await node.world.run(opening)).toEqual({ error: new Error("gone early") });
    expect(await node.world.run(left)).toEqual({ error: new Error("gone") });
    expect((await node.world.run(stayed)).equals(BLOB)).toBe(true);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: SIZE }]);
  });

  test("a reader that waits, for an answer or for a byte, goes at the moment it is told to", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    node.holder("eu").silentFrom = CHUNK;
    const goneMs: number[] = [];
    const leaveAfter = async (delayMs: number): Promise<Outcome> => {
      const leaving = new AbortController();
      node.world.after(delayMs, () => leaving.abort(new Error("gone")));
      const reading = async (): Promise<Buffer> => {
        const blob = await node.fetch.open(REPO, digest, leaving.signal);
        return await bytesIn(blob, { start: 0, end: SIZE }, undefined, leaving.signal);
      };
      const outcome = await outcomeOf(reading());
      goneMs.push(node.world.nowMs);
      return outcome;
    };
    const startMs = node.world.nowMs;

    const outcomes = await node.world.run(Promise.all([leaveAfter(20), leaveAfter(900)]));

    expect(outcomes).toEqual([{ error: new Error("gone") }, { error: new Error("gone") }]);
    expect(goneMs.map((ms) => ms - startMs)).toEqual([20, 900]);
  });

  test("a transfer goes on when its last reader has gone", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);

    const blob = await node.open(digest);
    await blob.close();
    await node.world.runFor(5_000);

    expect(await node.world.run(node.blobs.size(digest))).toBe(SIZE);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: SIZE }]);
  });
});

describe("what a reader is given and when", () => {
  test.each([
    { title: "the whole blob", start: 0, end: SIZE },
    { title: "a range in the middle", start: 600_000, end: 1_500_001 },
    { title: "a range of one byte", start: 7, end: 8 },
    { title: "a range at the end", start: SIZE - 100, end: SIZE },
    { title: "an empty range", start: 500, end: 500 },
  ])("of $title the last chunk comes when the blob is durable here, and not before", async ({ start, end }) => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    const beforeDurable: number[] = [];

    const blob = await node.open(digest);
    const read = bytesIn(blob, { start, end }, async (bytesSoFar) => {
      if ((await node.blobs.size(digest)) === undefined) beforeDurable.push(bytesSoFar);
    });

    expect((await node.world.run(read)).equals(BLOB.subarray(start, end))).toBe(true);
    expect(await node.world.run(node.blobs.size(digest))).toBe(SIZE);
    expect(Math.max(0, ...beforeDurable)).toBeLessThanOrEqual(Math.max(0, end - start - CHUNK));
    // What may come early does come early.
    expect(beforeDurable.length > 0).toBe(end - start > CHUNK);
  });

  test("several ranges of one open blob are read one after the other", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);

    const blob = await node.open(digest);
    const first = await node.world.run(bytesIn(blob, { start: MIB, end: MIB + 10 }));
    const second = await node.world.run(bytesIn(blob, { start: 5, end: 900_000 }));
    await blob.close();

    expect(first.equals(BLOB.subarray(MIB, MIB + 10))).toBe(true);
    expect(second.equals(BLOB.subarray(5, 900_000))).toBe(true);
  });

  test("an empty blob is fetched like any other", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(Buffer.alloc(0), ["eu"]);

    expect((await node.pull(digest)).length).toBe(0);
    expect(await node.world.run(node.blobs.size(digest))).toBe(0);
  });

  test("the first to answer is the source, and the nearest is the first", async () => {
    const far = [
      { region: "us", distanceMs: 90 },
      { region: "eu", distanceMs: 20 },
    ];
    const node = await PullingNode.start({ holders: far });
    const digest = await node.know(BLOB, ["eu", "us"]);

    const blob = await node.open(digest);

    expect({ size: blob.size, source: blob.source }).toEqual({ size: SIZE, source: "peer:eu" });
  });
});

describe("a transfer that breaks", () => {
  test.each([
    ["before the first byte", 0],
    ["after the first byte", 1],
    ["within a chunk", 100_001],
    ["one byte before a chunk ends", CHUNK - 1],
    ["where a chunk ends", CHUNK],
    ["one byte into the next", CHUNK + 1],
    ["within the last chunk", SIZE - 5_000],
    ["before the last byte", SIZE - 1],
  ])("%s continues there from another holder: no byte is sent twice", async (_, at) => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    node.holder("eu").breaksAt = [at];

    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: at }]);
    expect(node.holder("us").reads).toEqual([{ offset: at, sent: SIZE - at }]);
  });

  test("after the last byte is complete, for the digest says so", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    node.holder("eu").breaksAt = [SIZE];

    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
    expect(node.holder("us").reads).toEqual([]);
  });

  test("again and again, at two holders in turn, still sends every byte once", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    node.holder("eu").breaksAt = [100_000, 900_000, 1_700_000];
    node.holder("us").breaksAt = [500_000, 1_300_000];

    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
    const reads = [...node.holder("eu").reads, ...node.holder("us").reads].toSorted(
      (left, right) => left.offset - right.offset,
    );
    expect(reads.map(({ offset }) => offset)).toEqual([0, 100_000, 500_000, 900_000, 1_300_000, 1_700_000]);
    expect(reads.reduce((total, { sent }) => total + sent, 0)).toBe(SIZE);
  });

  test("at the only holder continues there as soon as it answers again", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    node.holder("eu").breaksAt = [MIB];

    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
    expect(node.holder("eu").reads).toEqual([
      { offset: 0, sent: MIB },
      { offset: MIB, sent: SIZE - MIB },
    ]);
  });

  test.each([
    ["falls silent", false],
    ["sends nothing but empty chunks", true],
  ])("and a holder that %s is left for another at the same offset", async (_, isPretending) => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    node.holder("eu").silentFrom = 700_000;
    node.holder("eu").isPretending = isPretending;
    const startMs = node.world.nowMs;

    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: 700_000 }]);
    expect(node.holder("us").reads).toEqual([{ offset: 700_000, sent: SIZE - 700_000 }]);
    expect(node.holder("eu").openReads).toBe(0);
    expect(node.world.nowMs - startMs).toBeGreaterThan(BLOB_FETCH_STALL_MS);
  });

  test("for good, because every holder is gone, ends every reader in an error and keeps nothing", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    const startMs = node.world.nowMs;

    const blobs = [await node.open(digest), await node.open(digest)];
    const reading = blobs.map(async (blob) => await outcomeOf(wholeOf(blob)));
    await node.world.runFor(3);
    for (const holder of node.holders) holder.isReachable = false;
    const outcomes = await node.world.run(Promise.all(reading));

    const detail = { digest, holders: [{ node: "eu-1", region: "eu", reachable: false }] };
    const expected = { code: "UNAVAILABLE", status: 503, detail, retryAfterSeconds: 5 };
    expect(outcomes.map((outcome) => refusal(outcome))).toEqual([expected, expected]);
    expect(node.world.nowMs - startMs).toBeLessThan(BODY_IDLE_MS_MAX);
    await node.world.runFor(1_000);
    expect(await node.world.run(node.disk.staged())).toEqual([]);
    expect(await node.world.run(node.blobs.size(digest))).toBeUndefined();
    expect(node.telemetry.valueOf("meridian_blob_fetches_total", { result: "unavailable" })).toBe(1);
  });
});

describe("a holder that sends something else", () => {
  test.each([
    ["the first byte", 0],
    ["a byte that was given out long ago", 500_000],
    ["the last byte", SIZE - 1],
  ])("a wrong bit in %s never becomes a complete answer and is not kept; the next pull is right", async (_, at) => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["us"]);
    node.holder("eu").put(BLOB, flipped(BLOB, at));

    const blobs = await Promise.all([node.open(digest), node.open(digest)]);
    const spans = [
      { start: 0, end: SIZE },
      { start: 0, end: MIB },
    ];
    const reading = blobs.map(
      async (blob, index) => await outcomeOf(bytesIn(blob, spans[index] ?? { start: 0, end: 0 })),
    );
    const outcomes = await node.world.run(Promise.all(reading));
    const next = await node.pull(digest);

    expect(outcomes.map((outcome) => refusal(outcome).code)).toEqual(["UNAVAILABLE", "UNAVAILABLE"]);
    expect(next.equals(BLOB)).toBe(true);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: SIZE }]);
    expect(node.holder("us").reads).toEqual([{ offset: 0, sent: SIZE }]);
    expect(node.telemetry.valueOf("meridian_blob_mismatches_total", { source: "eu" })).toBe(1);
  });

  test("goes unnoticed by a reader that was given nothing yet", async () => {
    const small = bytesOf(CHUNK, "small");
    const node = await PullingNode.start();
    const digest = await node.know(small, ["us"]);
    node.holder("eu").put(small, flipped(small, 9));

    expect((await node.pull(digest)).equals(small)).toBe(true);
    expect(node.holder("eu").reads).toEqual([{ offset: 0, sent: CHUNK }]);
    expect(node.holder("us").reads).toEqual([{ offset: 0, sent: CHUNK }]);
  });

  test("reaches nobody, at whatever moment of the transfer a reader comes", async () => {
    const node = await PullingNode.start({ diskMs: 10 });
    const digest = await node.know(BLOB, ["us"]);
    node.holder("eu").put(BLOB, flipped(BLOB, 0));

    const readers = Array.from({ length: 200 }, async (_, index) => {
      await node.timers.sleep(5 * index);
      return await outcomeOf(wholeOf(await node.fetch.open(REPO, digest, NEVER)));
    });
    const outcomes = await node.world.run(Promise.all(readers));

    const refused = outcomes.filter((outcome) => "error" in outcome);
    const served = outcomes.filter((outcome) => "bytes" in outcome);
    expect(new Set(refused.map((outcome) => refusal(outcome).code))).toEqual(new Set(["UNAVAILABLE"]));
    expect(served.every(({ bytes }) => bytes.equals(BLOB))).toBe(true);
    expect(refused.length).toBeGreaterThan(10);
    expect(served.length).toBeGreaterThan(50);
  });

  test("goes unnoticed by a reader whose range had not landed yet", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["us"]);
    node.holder("eu").put(BLOB, BLOB.subarray(0, 100_000));
    node.holder("eu").announces = SIZE;

    const blob = await node.open(digest);
    const range = await node.world.run(bytesIn(blob, { start: MIB, end: SIZE }));

    expect(range.equals(BLOB.subarray(MIB))).toBe(true);
    expect(node.holder("us").reads).toEqual([{ offset: 0, sent: SIZE }]);
  });

  test("and is the only one: every reader ends in an error and nothing is kept", async () => {
    const small = bytesOf(5_000, "small");
    const node = await PullingNode.start();
    const digest = await node.know(small, []);
    node.holder("eu").put(small, flipped(small, 9));

    const first = await node.world.run(outcomeOf(node.open(digest).then(wholeOf)));
    await node.world.runFor(1_000);

    expect(refusal(first).code).toBe("UNAVAILABLE");
    expect(await node.world.run(node.disk.staged())).toEqual([]);
    expect(await node.world.run(node.disk.stat(digest))).toBeUndefined();
    expect(node.telemetry.valueOf("meridian_blob_fetches_total", { result: "mismatched" })).toBe(1);

    node.holder("us").put(small);
    expect((await node.pull(digest)).equals(small)).toBe(true);
  });

  test("and took over from another is not the only suspect: the next copy comes from a third alone", async () => {
    const holders = ["eu", "us", "sa"].map((region, index) => ({ region, distanceMs: 20 + 50 * index }));
    const node = await PullingNode.start({ holders });
    const digest = await node.know(BLOB, ["eu", "sa"]);
    node.holder("us").put(BLOB, flipped(BLOB, MIB + 1));
    node.holder("eu").breaksAt = [MIB];

    const broken = await node.world.run(outcomeOf(node.open(digest).then(wholeOf)));
    const next = await node.pull(digest);

    expect(refusal(broken).code).toBe("UNAVAILABLE");
    expect(next.equals(BLOB)).toBe(true);
    expect(node.holder("sa").reads).toEqual([{ offset: 0, sent: SIZE }]);
  });

  test("ends a slow reader at its next chunk, which is never of the next copy", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["us"]);
    node.holder("eu").put(BLOB, flipped(BLOB, SIZE - 1));
    let chunks = 0;

    const blob = await node.open(digest);
    // Most of the blob has landed when the reader begins.
    await node.world.runFor(57);
    const reading = bytesIn(blob, { start: 0, end: SIZE }, async () => {
      chunks += 1;
      await node.timers.sleep(10_000);
    });

    expect(refusal(await node.world.run(outcomeOf(reading))).code).toBe("UNAVAILABLE");
    expect(chunks).toBe(1);
  });

  test("and announced less than there is of a small blob: what is right and too little is refused as well", async () => {
    const small = bytesOf(5_000, "small");
    const node = await PullingNode.start();
    const digest = await node.know(small, ["eu", "us"]);
    node.holder("eu").announces = 4_000;

    const blob = await node.open(digest);
    const outcome = await node.world.run(outcomeOf(wholeOf(blob)));

    expect(blob.size).toBe(4_000);
    expect(refusal(outcome).code).toBe("UNAVAILABLE");
    expect((await node.pull(digest)).equals(small)).toBe(true);
  });

  test.each([
    ["more bytes than it announced", SIZE - 1],
    ["fewer bytes than it announced", SIZE + 1],
    ["bytes of a blob that it called empty", 0],
  ])("%s: nobody gets a complete answer, and the next pull is right", async (_, announced) => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu", "us"]);
    node.holder("eu").announces = announced;

    const blob = await node.open(digest);
    const outcome = await node.world.run(outcomeOf(wholeOf(blob)));
    const next = await node.pull(digest);

    expect(blob.size).toBe(announced);
    expect(refusal(outcome).code).toBe("UNAVAILABLE");
    expect(next.equals(BLOB)).toBe(true);
    expect(node.holder("us").reads).toEqual([{ offset: 0, sent: SIZE }]);
  });
});

describe("a blob that cannot be had", () => {
  test("nobody knows it: 404, after two near peers were asked once each", async () => {
    const holders = ["eu", "us", "sa", "af"].map((region, index) => ({ region, distanceMs: 20 + 50 * index }));
    const node = await PullingNode.start({ holders });
    const digest = digestOf(BLOB);

    const error = await refusalOfOpening(node, node.fetch.open(REPO, digest, NEVER));

    expect(error).toEqual({ code: "BLOB_UNKNOWN", status: 404, detail: { digest }, retryAfterSeconds: undefined });
    expect(node.holders.map(({ questions }) => questions)).toEqual([1, 1, 0, 0]);
    expect(MISS_PROBE_PEERS).toBe(2);
  });

  test("its only holder cannot be reached: 503 with the holders, and when to try again", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    node.holder("eu").isReachable = false;
    await node.world.runFor(30_000);

    const error = await refusalOfOpening(node, node.fetch.open(REPO, digest, NEVER));

    expect(error).toEqual({
      code: "UNAVAILABLE",
      status: 503,
      detail: { digest, holders: [{ node: "eu-1", region: "eu", reachable: false }] },
      retryAfterSeconds: 5,
    });
  });

  test("whoever pushed it answers, but does not hold it: 503 as well", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, []);

    const error = await refusalOfOpening(node, node.fetch.open(REPO, digest, NEVER));

    expect(error.detail).toEqual({ digest, holders: [{ node: "eu-1", region: "eu", reachable: true }] });
  });

  test("this node alone pushed it, and lost it: 503, for it is known, and nobody to name", async () => {
    const node = await PullingNode.start();
    const digest = digestOf(BLOB);
    const layers = [{ mediaType: "application/octet-stream", digest, size: SIZE }];
    await node.world.run(push(node.metadata, imageNamed("own", { layers })));

    const error = await refusalOfOpening(node, node.fetch.open(REPO, digest, NEVER));

    expect(error).toEqual({
      code: "UNAVAILABLE",
      status: 503,
      detail: { digest, holders: [] },
      retryAfterSeconds: 5,
    });
  });

  test("it was uploaded to another node and no manifest names it yet: it is fetched from there", async () => {
    const node = await PullingNode.start();
    node.holder("us").put(BLOB);

    expect((await node.pull(digestOf(BLOB))).equals(BLOB)).toBe(true);
  });

  test("it is on its way for another repository: that gives this one no right to it", async () => {
    const node = await PullingNode.start();
    const digest = await node.know(BLOB, ["eu"]);
    node.holder("eu").isLinking = false;
    await node.open(digest);

    const error = await refusalOfOpening(node, node.fetch.open(parseRepositoryName("other/repo"), digest, NEVER));

    expect(error.code).toBe("BLOB_UNKNOWN");
  });

  test("a holder beyond the nearest sixteen is found when none of those has it", async () => {
    const holders = Array.from({ length: 20 }, (_, index) => ({ region: `r${index}`, distanceMs: 10 + 5 * index }));
    const node = await PullingNode.start({ holders });
    const near = bytesOf(100, "near");
    const digests = [await node.know(near, ["r3"]), await node.know(BLOB, ["r19"])];

    const pulled: Buffer[] = [];
    const asked: number[] = [];
    for (const digest of digests) {
      pulled.push(await node.pull(digest));
      asked.push(node.holders.reduce((total, { questions }) => total + questions, 0));
    }

    expect(pulled.map((bytes) => digestOf(bytes))).toEqual(digests);
    expect(asked).toEqual([16, 16 + 20]);
  });
});

describe("the node's own limits", () => {
  test("no more than a bounded number of blobs is streamed at once, and all of them land", async () => {
    const node = await PullingNode.start({ holders: [{ region: "eu", distanceMs: 50 }] });
    const blobs = Array.from({ length: BLOB_FETCHES_MAX + 8 }, (_, index) => bytesOf(CHUNK + 1, `blob ${index}`));
    for (const blob of blobs) await node.know(blob, ["eu"]);

    const pulls = blobs.map(async (blob) => await wholeOf(await node.fetch.open(REPO, digestOf(blob), NEVER)));
    const read = await node.world.run(Promise.all(pulls));

    expect(read.every((bytes, index) => bytes.equals(blobs[index] ?? Buffer.alloc(0)))).toBe(true);
    expect(node.holder("eu").openReadsMost).toBe(BLOB_FETCHES_MAX);
  });

  test("of those that wait, a blob that somebody waits for comes before one whose readers have gone", async () => {
    const node = await PullingNode.start({ holders: [{ region: "eu", distanceMs: 50 }] });
    const blobs = Array.from({ length: BLOB_FETCHES_MAX + 3 }, (_, index) => bytesOf(CHUNK + 1, `blob ${index}`));
    for (const blob of blobs) await node.know(blob, ["eu"]);

    const open = await node.world.run(
      Promise.all(blobs.map(async (blob) => await node.fetch.open(REPO, digestOf(blob), NEVER))),
    );
    await open[BLOB_FETCHES_MAX]?.close();
    await node.world.runFor(5_000);

    const abandoned = blobs[BLOB_FETCHES_MAX];
    expect(node.holder("eu").order.at(-1)).toBe(abandoned === undefined ? undefined : digestOf(abandoned));
    expect(node.holder("eu").order.length).toBe(blobs.length);
  });

  test("a full disk is said to be one, leaves nothing behind, and the next pull finds room", async () => {
    let isFull = true;
    const fault = (operation: string): Error | undefined =>
      isFull && operation === "append" ? new DiskFullError("no room") : undefined;
    const node = await PullingNode.start({ disk: { fault } });
    const digest = await node.know(BLOB, ["eu", "us"]);

    const outcome = await node.world.run(outcomeOf(node.open(digest).then(wholeOf)));
    await node.world.runFor(1_000);

    expect(refusal(outcome).code).toBe("UNAVAILABLE");
    expect(await node.world.run(node.disk.staged())).toEqual([]);
    expect(node.holder("us").reads).toEqual([]);
    isFull = false;
    expect((await node.pull(digest)).equals(BLOB)).toBe(true);
  });

  test("a disk that fails to make the blob durable gives no reader a complete answer", async () => {
    const fault = (operation: string): Error | undefined => (operation === "commit" ? new Error("EIO") : undefined);
    const node = await PullingNode.start({ disk: { fault } });
    const digest = await node.know(BLOB, ["eu"]);

    expect(await node.world.run(outcomeOf(node.open(digest).then(wholeOf)))).toEqual({ error: new Error("EIO") });
    expect(await node.world.run(node.blobs.size(digest))).toBeUndefined();
  });

  test("a node that stops ends its transfers and their readers at once, and leaves nothing staged", async () => {
    const holders = [
      { region: "eu", distanceMs: 50 },
      { region: "us", distanceMs: 400 },
    ];
    const node = await PullingNode.start({ holders });
    const digest = await node.know(BLOB, ["eu"]);

    const blob = await node.open(digest);
    const reading = outcomeOf(wholeOf(blob));
    await node.world.runFor(53);
    expect(node.holder("eu").openReads).toBe(1);
    // One is being read from, the other has not even answered.
    expect(node.holder("us").questions).toBe(1);
    const stoppedMs = node.world.nowMs;
    await node.world.run(node.fetch.stop());

    expect(node.world.nowMs - stoppedMs).toBe(0);
    expect(refusal(await node.world.run(reading)).code).toBe("UNAVAILABLE");
    expect(node.holder("eu").openReads).toBe(0);
    expect(await node.world.run(node.disk.staged())).toEqual([]);
    expect((await refusalOfOpening(node, node.fetch.open(REPO, digest, NEVER))).code).toBe("UNAVAILABLE");
  });
});

describe("any mixture of faults", () => {
  test.each(Array.from({ length: 60 }, (_, index) => index + 1))(
    "ends every reading in the right bytes or in an error, and leaves the right blob or none (seed %i)",
    async (seed) => {
      const holders = ["eu", "us", "sa"].map((region, index) => ({ region, distanceMs: 10 + 60 * index }));
      const node = await PullingNode.start({ seed, holders, diskMs: [0.1, 5, 40][seed % 3] ?? 0 });
      const chance = node.world.chanceFor("faults");
      const size = chance.pick([1, 5_000, CHUNK, CHUNK + 1, 3 * CHUNK, SIZE]);
      const blob = bytesOf(size, `blob ${seed}`);
      const digest = await node.know(blob, []);
      for (const holder of node.holders) {
        holder.put(blob, chance.chance(1 / 3) ? flipped(blob, chance.integer(0, size - 1)) : blob);
        if (chance.chance(1 / 6)) holder.announces = chance.integer(0, 2 * size);
        if (chance.chance(1 / 6)) holder.silentFrom = chance.integer(0, size);
        holder.chunkBytes = chance.pick([1_000, 65_536, 262_144]);
        holder.breaksAt = Array.from({ length: chance.integer(0, 4) }, () => chance.integer(0, size));
        node.world.after(chance.integer(0, 200), () => (holder.isReachable = chance.chance(5 / 6)));
        node.world.after(chance.integer(200, 2_000), () => (holder.isReachable = chance.chance(5 / 6)));
      }

      const readings = Array.from({ length: 6 }, async () => {
        await node.timers.sleep(chance.integer(0, 3_000));
        const start = chance.integer(0, size);
        const span = chance.chance(1 / 2) ? { start: 0, end: size } : { start, end: chance.integer(start, size) };
        const paceMs = chance.pick([0, 1, 500]);
        const opened = await node.fetch.open(REPO, digest, NEVER);
        const isTold = opened.size === size;
        const reading = isTold ? bytesIn(opened, span, async () => await node.timers.sleep(paceMs)) : wholeOf(opened);
        const outcome = await outcomeOf(reading);
        await opened.close();
        if (!isTold) expect(outcome).toEqual({ error: expect.any(RegistryError) });
        if ("bytes" in outcome) expect(outcome.bytes.equals(blob.subarray(span.start, span.end))).toBe(true);
        return outcome;
      });
      const outcomes = await node.world.run(Promise.allSettled(readings));
      for (let waits = 0; node.telemetry.valueOf("meridian_blob_fetches_in_progress") > 0; waits += 1) {
        expect(waits).toBeLessThan(200);
        await node.world.runFor(10_000);
      }
      await node.world.runFor(1_000);

      for (const outcome of outcomes) {
        if (outcome.status === "rejected") expect(outcome.reason).toBeInstanceOf(RegistryError);
        else if ("error" in outcome.value) expect(outcome.value.error).toBeInstanceOf(RegistryError);
      }
      expect(await node.world.run(node.disk.staged())).toEqual([]);
      expect(node.openBlobs()).toBe(0);
      expect(node.holders.map(({ openReads }) => openReads)).toEqual([0, 0, 0]);
      const stored = await node.world.run(node.blobs.open(digest));
      if (stored === undefined) return;
      // What lies in memory needs no file.
      expect(node.openBlobs()).toBe(stored.bytes === undefined ? 1 : 0);
      const kept = await node.world.run(bytesIn({ ...stored, source: "local" }, { start: 0, end: stored.size }));
      expect(kept.equals(blob)).toBe(true);
    },
  );
});
