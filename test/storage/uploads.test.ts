import { describe, expect, test } from "vitest";

import { Prng } from "../../cluster-sim/prng.ts";
import { bytesOf, uploadRow } from "../../nodes/storage/keys.ts";
import { nodeOfUpload, type UploadRange, type UploadStatus } from "../../nodes/storage/uploads.ts";
import { type Digest, digestOf } from "../../shared/digest.ts";
import { DiskFullError, DurabilityError } from "../../shared/disk-errors.ts";
import { RegistryError } from "../../shared/errors.ts";
import {
  DISK_RESERVE_BYTES,
  UPLOAD_EMPTY_IDLE_MS_MAX,
  UPLOAD_IDLE_MS_MAX,
  UPLOAD_ROOM_CHECK_BYTES,
  UPLOAD_SESSIONS_MAX,
  UPLOAD_SESSIONS_PER_CLIENT_MAX,
  UPLOAD_WAITERS_MAX,
} from "../../shared/limits.ts";
import { parseRepositoryName } from "../../shared/reference.ts";
import { StoredNode } from "../support/stored-node.ts";

const REPO = parseRepositoryName("shop/api");
const OTHER = parseRepositoryName("shop/web");
const NEVER = new AbortController().signal;

const FIRST = Buffer.from("the first chunk, ");
const SECOND = Buffer.from("and the second");
const WHOLE = Buffer.concat([FIRST, SECOND]);
const DIGEST = digestOf(WHOLE);

type Chunks = AsyncIterable<Uint8Array>;

/** A body in one chunk, or in several; the buffers are used again, as those of a socket are. */
async function* body(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  for (const part of parts) {
    const buffer = Buffer.from(part);
    yield buffer;
    buffer.fill(0);
  }
}

/** A body whose client goes away after `parts`. */
async function* brokenBody(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
  yield* body(...parts);
  throw new Error("the client went away");
}

async function append(node: StoredNode, id: string, chunks: Chunks, range?: UploadRange): Promise<UploadStatus> {
  return await node.uploads.append({ repo: REPO, id, body: chunks, range, signal: NEVER });
}

type Last = { readonly chunks?: Chunks; readonly range?: UploadRange };

async function finish(
  node: StoredNode,
  id: string,
  digest: Digest,
  { chunks = body(), range }: Last = {},
): Promise<Digest> {
  return await node.uploads.finish({ repo: REPO, id, digest, body: chunks, range, signal: NEVER, actor: "tester" });
}

async function started(node: StoredNode): Promise<string> {
  return (await node.uploads.start(REPO, "tester")).id;
}

function rangeOf(start: number, bytes: Uint8Array): UploadRange {
  return { start, end: start + bytes.length - 1 };
}

/** What a client is told of a refusal. */
async function refusal(call: Promise<unknown>): Promise<Pick<RegistryError, "code" | "status" | "detail"> | undefined> {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!(error instanceof RegistryError)) throw error;
    return { code: error.code, status: error.status, detail: error.detail };
  }
}

function outOfOrder(offset: number): object {
  return { code: "BLOB_UPLOAD_INVALID", status: 416, detail: { offset } };
}

function unknown(id: string): object {
  return { code: "BLOB_UPLOAD_UNKNOWN", status: 404, detail: { id } };
}

describe("a session", () => {
  test("has a name that can't be guessed and tells which node has it, and begins at 0", async () => {
    const node = await StoredNode.started();

    const { id, offset } = await node.uploads.start(REPO, "tester");

    expect(id).toMatch(/^[0-9a-f]{32}\.eu-1$/);
    expect(nodeOfUpload(id)).toBe("eu-1");
    expect(offset).toBe(0);
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: 0 });
    expect(["", "eu-1", `${"0".repeat(32)}.EU`, `${"0".repeat(31)}.eu-1`].map(nodeOfUpload)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  test("is known to its repository alone", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    const request = { repo: OTHER, id, body: body(SECOND), range: undefined, signal: NEVER };
    expect(await refusal(node.uploads.status(OTHER, id))).toEqual(unknown(id));
    expect(await refusal(node.uploads.append(request))).toEqual(unknown(id));
    expect(await refusal(node.uploads.finish({ ...request, digest: DIGEST, actor: "tester" }))).toEqual(unknown(id));
    expect(await refusal(node.uploads.cancel(OTHER, id))).toEqual(unknown(id));
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
  });

  test("that was never opened is unknown, whatever it is called", async () => {
    const node = await StoredNode.started();

    for (const id of ["", "..", `${"0".repeat(32)}.eu-1`, "../../meta"]) {
      expect(await refusal(node.uploads.status(REPO, id))).toEqual(unknown(id));
      expect(await refusal(append(node, id, body(FIRST)))).toEqual(unknown(id));
    }
  });

  test("is refused when the disk has no more room than the reserve", async () => {
    const node = await StoredNode.started({ capacityBytes: DISK_RESERVE_BYTES - 1 });

    const attempt = node.uploads.start(REPO, "tester");

    await expect(attempt).rejects.toMatchObject({
      code: "UNAVAILABLE",
      status: 503,
      message: "disk full",
      retryAfterSeconds: 60,
      detail: { freeBytes: DISK_RESERVE_BYTES - 1 },
    });
  });

  test("stops taking bytes where the room that the metadata store needs begins", async () => {
    const node = await StoredNode.started({ capacityBytes: DISK_RESERVE_BYTES + UPLOAD_ROOM_CHECK_BYTES });
    const id = await started(node);
    const parts = Array.from({ length: 3 }, () => Buffer.alloc(UPLOAD_ROOM_CHECK_BYTES));

    const answer = await refusal(append(node, id, body(...parts)));

    expect(answer).toMatchObject({ code: "UNAVAILABLE", status: 503 });
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: 0 });
    expect(await append(node, id, body(FIRST))).toEqual({ id, offset: FIRST.length });
  });

  test("is refused when there are too many, until one has ended", async () => {
    const node = await StoredNode.started();
    const ids = await Promise.all(Array.from({ length: UPLOAD_SESSIONS_MAX }, async () => await started(node)));

    await expect(started(node)).rejects.toMatchObject({ code: "TOOMANYREQUESTS", status: 429, retryAfterSeconds: 60 });
    await node.uploads.cancel(REPO, ids[0] ?? "");

    expect(await started(node)).toMatch(/\.eu-1$/);
  });
});

describe("the sessions of one client", () => {
  const opened = async (node: StoredNode, client: string): Promise<string> =>
    (await node.uploads.start(REPO, "tester", client)).id;

  test("are so many at most, whatever the others have, until one has ended", async () => {
    const node = await StoredNode.started();
    const share = Array.from({ length: UPLOAD_SESSIONS_PER_CLIENT_MAX });
    const [first = ""] = await Promise.all(share.map(async () => await opened(node, "10.0.0.1")));

    await expect(opened(node, "10.0.0.1")).rejects.toMatchObject({
      code: "TOOMANYREQUESTS",
      detail: { sessionsPerClientMax: UPLOAD_SESSIONS_PER_CLIENT_MAX },
    });
    expect(await opened(node, "10.0.0.2")).toMatch(/\.eu-1$/);
    await node.uploads.cancel(REPO, first);

    expect(await opened(node, "10.0.0.1")).toMatch(/\.eu-1$/);
  });
});

describe("a chunk", () => {
  test("goes behind what is there, with or without saying where it belongs", async () => {
    const node = await StoredNode.started();
    const id = await started(node);

    expect(await append(node, id, body(FIRST), rangeOf(0, FIRST))).toEqual({ id, offset: FIRST.length });
    expect(await append(node, id, body(SECOND.subarray(0, 4), SECOND.subarray(4)))).toEqual({
      id,
      offset: WHOLE.length,
    });

    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
    expect(await node.content(DIGEST)).toEqual(WHOLE);
  });

  test("that is out of order is refused with the offset, and the session takes the right one afterwards", async () => {
    const node = await StoredNode.started();
    const id = await started(node);

    expect(await refusal(append(node, id, body(SECOND), rangeOf(FIRST.length, SECOND)))).toEqual(outOfOrder(0));
    await append(node, id, body(FIRST), rangeOf(0, FIRST));
    expect(await refusal(append(node, id, body(FIRST), rangeOf(0, FIRST)))).toEqual(outOfOrder(FIRST.length));
    await append(node, id, body(SECOND), rangeOf(FIRST.length, SECOND));

    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
  });

  test("is out of order when it begins elsewhere, though it ends where it should", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    const { end } = rangeOf(FIRST.length, SECOND);

    for (const start of [0, FIRST.length - 1, FIRST.length + 1]) {
      expect(await refusal(append(node, id, body(SECOND), { start, end }))).toEqual(outOfOrder(FIRST.length));
    }
  });

  test("that is longer than it says is read no further", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    let read = 0;
    async function* longBody(): AsyncGenerator<Uint8Array, void> {
      for (; read < 1_000; read += 1) yield FIRST;
    }

    expect(await refusal(append(node, id, longBody(), rangeOf(0, FIRST)))).toEqual(outOfOrder(0));
    expect(read).toBe(1);
  });

  test("that is shorter or longer than it says is refused, and none of it is kept", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    const range = rangeOf(FIRST.length, SECOND);

    expect(await refusal(append(node, id, body(SECOND.subarray(1)), range))).toEqual(outOfOrder(FIRST.length));
    expect(await refusal(append(node, id, body(SECOND, FIRST), range))).toEqual(outOfOrder(FIRST.length));
    expect(await refusal(append(node, id, body(), range))).toEqual(outOfOrder(FIRST.length));

    expect(await append(node, id, body(SECOND), range)).toEqual({ id, offset: WHOLE.length });
    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
  });

  test("whose client goes away leaves the offset where it was", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    await expect(append(node, id, brokenBody(SECOND.subarray(0, 5)))).rejects.toThrow("the client went away");

    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    expect((await node.disk.staged()).map(({ size }) => size)).toEqual([FIRST.length]);
    await append(node, id, body(SECOND));
    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
  });

  test("whose request is aborted leaves the offset where it was", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    const controller = new AbortController();
    async function* abortedBody(): AsyncGenerator<Uint8Array, void> {
      yield FIRST;
      controller.abort(new Error("the server stops"));
      yield SECOND;
    }

    const request = { repo: REPO, id, body: abortedBody(), range: undefined, signal: controller.signal };

    await expect(node.uploads.append(request)).rejects.toThrow("the server stops");
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: 0 });
  });

  test("that does not fit on the disk is refused, and the session goes on when there is room again", async () => {
    const state = { isFull: false };
    const node = await StoredNode.started({
      fault: (operation) => (state.isFull && operation === "append" ? new DiskFullError("ENOSPC") : undefined),
    });
    const id = await started(node);
    await append(node, id, body(FIRST));

    state.isFull = true;
    const attempt = append(node, id, body(SECOND));

    await expect(attempt).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503, message: "disk full" });
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    state.isFull = false;
    await append(node, id, body(SECOND));
    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
  });

  test("that the disk fails at is refused, and takes the node's right to write", async () => {
    const state = { isFailing: false };
    const node = await StoredNode.started({
      fault: (operation) => (state.isFailing && operation === "append" ? new DurabilityError("EIO") : undefined),
    });
    const id = await started(node);
    state.isFailing = true;

    const refused = append(node, id, body(FIRST));

    await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503, retryAfterSeconds: 5 });
    expect(node.metadata.isFenced()).toBeInstanceOf(DurabilityError);
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: 0 });
  });

  test("can be seen while it arrives only as what was there before", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    const gate = Promise.withResolvers<undefined>();
    const arrived = Promise.withResolvers<undefined>();
    async function* slowBody(): AsyncGenerator<Uint8Array, void> {
      yield SECOND;
      arrived.resolve(undefined);
      await gate.promise;
    }

    const slow = append(node, id, slowBody());
    await arrived.promise;
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    gate.resolve(undefined);

    expect(await slow).toEqual({ id, offset: WHOLE.length });
  });
});

describe("the last request", () => {
  test("may bring all bytes, the last of them, or none", async () => {
    const node = await StoredNode.started();
    const all = await started(node);
    const last = await started(node);
    const none = await started(node);
    await append(node, last, body(FIRST));
    await append(node, none, body(WHOLE));

    expect(await finish(node, all, DIGEST, { chunks: body(WHOLE), range: rangeOf(0, WHOLE) })).toBe(DIGEST);
    expect(await finish(node, last, DIGEST, { chunks: body(SECOND), range: rangeOf(FIRST.length, SECOND) })).toBe(
      DIGEST,
    );
    expect(await finish(node, none, DIGEST)).toBe(DIGEST);

    expect(await node.content(DIGEST)).toEqual(WHOLE);
    expect(await node.metadata.reader.linksBlob(REPO, DIGEST)).toBe(true);
    expect(await node.metadata.reader.linksBlob(OTHER, DIGEST)).toBe(false);
    expect(await node.disk.staged()).toEqual([]);
    for (const id of [all, last, none]) expect(await refusal(node.uploads.status(REPO, id))).toEqual(unknown(id));
  });

  test("makes a blob of no bytes when none were sent", async () => {
    const node = await StoredNode.started();
    const empty = digestOf(new Uint8Array());

    await finish(node, await started(node), empty);

    expect(await node.content(empty)).toEqual(Buffer.alloc(0));
  });

  test("may ask for a digest of 512 bits, though nobody had said so before", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    const long = digestOf(WHOLE, "sha512");
    await append(node, id, body(FIRST));

    expect(await finish(node, id, long, { chunks: body(SECOND) })).toBe(long);

    expect(await node.content(long)).toEqual(WHOLE);
  });

  test("with a digest that is not that of the bytes is refused, and the session is as it was before", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    expect(await refusal(finish(node, id, DIGEST, { chunks: body(Buffer.from("something else")) }))).toEqual({
      code: "DIGEST_INVALID",
      status: 400,
      detail: { claimed: DIGEST, actual: digestOf(Buffer.concat([FIRST, Buffer.from("something else")])) },
    });

    expect(await node.blobs.open(DIGEST)).toBeUndefined();
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    expect(await finish(node, id, DIGEST, { chunks: body(SECOND) })).toBe(DIGEST);
  });

  test("whose bytes are out of order, or not as many as it says, is refused and adds nothing", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    const late = { start: FIRST.length + 1, end: WHOLE.length };
    expect(await refusal(finish(node, id, DIGEST, { chunks: body(SECOND), range: late }))).toEqual(
      outOfOrder(FIRST.length),
    );
    const short = rangeOf(FIRST.length, SECOND);
    expect(await refusal(finish(node, id, DIGEST, { chunks: body(), range: short }))).toEqual(outOfOrder(FIRST.length));

    expect(await finish(node, id, DIGEST, { chunks: body(SECOND), range: rangeOf(FIRST.length, SECOND) })).toBe(DIGEST);
  });

  test("whose client goes away ends nothing", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    await expect(finish(node, id, DIGEST, { chunks: brokenBody(SECOND) })).rejects.toThrow("the client went away");

    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    expect(await finish(node, id, DIGEST, { chunks: body(SECOND) })).toBe(DIGEST);
  });

  test("verifies the bytes also when the blob is there already, and keeps one copy", async () => {
    const node = await StoredNode.started();
    const [first, second, third] = [await started(node), await started(node), await started(node)];

    await Promise.all([
      finish(node, first, DIGEST, { chunks: body(WHOLE) }),
      finish(node, second, DIGEST, { chunks: body(WHOLE) }),
    ]);

    expect(await refusal(finish(node, third, DIGEST, { chunks: body(FIRST) }))).toMatchObject({
      code: "DIGEST_INVALID",
    });
    expect(await node.content(DIGEST)).toEqual(WHOLE);
  });

  test("whose bytes can't be synced names nothing, and takes the node's right to write", async () => {
    const node = await StoredNode.started({
      fault: (operation) => (operation === "commit" ? new DurabilityError("EIO") : undefined),
    });
    const id = await started(node);

    const refused = finish(node, id, DIGEST, { chunks: body(WHOLE) });

    await expect(refused).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503, retryAfterSeconds: 5 });
    expect(node.metadata.isFenced()).toBeInstanceOf(DurabilityError);
    expect(await node.metadata.reader.blobSize(DIGEST)).toBeUndefined();
    await expect(started(node)).rejects.toMatchObject({ code: "UNAVAILABLE", status: 503 });
    expect(node.telemetry.read("meridian_uploads_in_progress")).toBe(1);
    expect(node.telemetry.read("meridian_storage_errors_total", { operation: "commit-blob" })).toBe(1);
  });

  test("that fails because there is no room leaves a session without bytes, to begin anew", async () => {
    const state = { isFull: true };
    const node = await StoredNode.started({
      fault: (operation) => (state.isFull && operation === "commit" ? new DiskFullError("ENOSPC") : undefined),
    });
    const id = await started(node);
    await append(node, id, body(FIRST));

    expect(await refusal(finish(node, id, DIGEST, { chunks: body(SECOND) }))).toMatchObject({
      code: "UNAVAILABLE",
      status: 503,
    });
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: 0 });
    expect(node.metadata.isFenced()).toBeUndefined();
    state.isFull = false;

    expect(await finish(node, id, DIGEST, { chunks: body(WHOLE) })).toBe(DIGEST);
  });
});

describe("a session that is cancelled", () => {
  test("frees its bytes and is unknown from then on", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    await node.uploads.cancel(REPO, id);

    expect(await node.disk.staged()).toEqual([]);
    expect(await refusal(append(node, id, body(SECOND)))).toEqual(unknown(id));
    expect(await refusal(node.uploads.cancel(REPO, id))).toEqual(unknown(id));
    await node.restart();
    expect(await refusal(node.uploads.status(REPO, id))).toEqual(unknown(id));
  });

  test("after a restart frees what had been staged before it", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    await node.restart();

    await node.uploads.cancel(REPO, id);

    expect(await node.disk.staged()).toEqual([]);
  });
});

describe("requests of one session that come at once", () => {
  test("with the same chunk: one goes in, the other is out of order", async () => {
    const node = await StoredNode.started();
    const id = await started(node);

    const outcomes = await Promise.all([
      refusal(append(node, id, body(FIRST), rangeOf(0, FIRST))),
      refusal(append(node, id, body(FIRST), rangeOf(0, FIRST))),
    ]);

    expect(outcomes).toEqual([undefined, outOfOrder(FIRST.length)]);
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
  });

  test("two that want to finish: one does, the other finds no session", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(WHOLE));

    const outcomes = await Promise.all([refusal(finish(node, id, DIGEST)), refusal(finish(node, id, DIGEST))]);

    expect(outcomes).toEqual([undefined, unknown(id)]);
    expect(await node.content(DIGEST)).toEqual(WHOLE);
  });

  test("more than may wait are told to come later", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    const gate = Promise.withResolvers<undefined>();
    async function* slowBody(): AsyncGenerator<Uint8Array, void> {
      await gate.promise;
      yield FIRST;
    }

    const slow = append(node, id, slowBody());
    const waiting = Array.from({ length: UPLOAD_WAITERS_MAX }, async () => await refusal(append(node, id, body())));
    const oneTooMany = append(node, id, body());

    await expect(oneTooMany).rejects.toMatchObject({ code: "TOOMANYREQUESTS", status: 429 });
    gate.resolve(undefined);
    await slow;
    expect(await Promise.all(waiting)).toEqual(Array.from({ length: UPLOAD_WAITERS_MAX }, () => undefined));
  });

  test("one whose client has gone while it waited does nothing when its turn comes", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    const gate = Promise.withResolvers<undefined>();
    async function* slowBody(): AsyncGenerator<Uint8Array, void> {
      await gate.promise;
      yield FIRST;
    }
    const controller = new AbortController();
    const touched: string[] = [];
    async function* lateBody(): AsyncGenerator<Uint8Array, void> {
      touched.push("touched");
      yield SECOND;
    }

    const slow = append(node, id, slowBody());
    const request = { repo: REPO, id, body: lateBody(), range: undefined, signal: controller.signal };
    const waiting = expect(node.uploads.append(request)).rejects.toThrow("gone");
    controller.abort(new Error("gone"));
    gate.resolve(undefined);

    await slow;
    await waiting;
    expect(touched).toEqual([]);
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
  });

  test("never change bytes that were acknowledged, in whatever order they interleave", async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 150; seed += 1) {
      const prng = new Prng(seed);
      const node = await StoredNode.started({ seed, pauseMs: () => prng.integer(0, 3) });
      const { world } = node;
      const slowly = async function* (...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array, void> {
        for (const part of parts) {
          await world.delay(prng.integer(0, 20));
          yield part;
        }
      };
      const later = async <T>(call: () => Promise<T>): Promise<T> => {
        await world.delay(prng.integer(0, 30));
        return await call();
      };
      const id = await world.run(started(node));
      await world.run(append(node, id, body(FIRST)));

      const outcomes = await world.run(
        Promise.all([
          later(
            async () =>
              await refusal(finish(node, id, DIGEST, { chunks: slowly(SECOND), range: rangeOf(FIRST.length, SECOND) })),
          ),
          later(async () => await refusal(finish(node, id, DIGEST, { chunks: slowly(SECOND) }))),
          later(async () => await refusal(append(node, id, slowly(SECOND, FIRST), rangeOf(FIRST.length, WHOLE)))),
          later(async () => await refusal(append(node, id, slowly(SECOND)))),
          later(async () => await refusal(node.uploads.cancel(REPO, id))),
        ]),
      );

      const [ranged, plain, , , cancelled] = outcomes;
      const isStored = (await world.run(node.metadata.reader.blobSize(DIGEST))) !== undefined;
      const winners = [ranged, plain, cancelled].filter((outcome) => outcome === undefined).length;
      expect([seed, winners]).toEqual([seed, 1]);
      expect([seed, isStored]).toEqual([seed, ranged === undefined || plain === undefined]);
      if (isStored) expect(await world.run(node.content(DIGEST))).toEqual(WHOLE);
      expect(await world.run(node.disk.staged())).toEqual([]);
      seen.add(outcomes.map((outcome) => outcome?.code ?? "done").join(" "));
    }
    // The schedules differ: otherwise this test would be one, a hundred and fifty times.
    expect(seen.size).toBeGreaterThan(10);
  });
});

describe("over a restart", () => {
  test("in good order a session goes on where it was", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    await node.restart();

    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });
    await append(node, id, body(SECOND), rangeOf(FIRST.length, SECOND));
    expect(await finish(node, id, DIGEST)).toBe(DIGEST);
    expect(await node.content(DIGEST)).toEqual(WHOLE);
  });

  test("a session whose bytes were taken from the disk begins anew, and says so", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    await node.restart();
    expect(await node.uploads.status(REPO, id)).toEqual({ id, offset: FIRST.length });

    await (await node.disk.resume(`upload-${id.slice(0, 32)}`))?.discard();

    expect(await refusal(append(node, id, body(SECOND), rangeOf(FIRST.length, SECOND)))).toEqual(outOfOrder(0));
    expect(await finish(node, id, DIGEST, { chunks: body(WHOLE) })).toBe(DIGEST);
  });

  test("a node that is stopped lets go of every file", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    await node.uploads.close();

    expect((await node.disk.resume(`upload-${id.slice(0, 32)}`))?.size()).toBe(FIRST.length);
  });

  test("a node that is stopped, at whatever moment, has finished its sweep and begins no other", async () => {
    for (let stopMs = 0; stopMs < 8; stopMs += 1) {
      const node = await StoredNode.started({ pauseMs: () => 1 });
      await node.world.runFor(stopMs);

      await node.world.run(node.uploads.close());
      await node.world.run(node.kv.close());
      await node.world.runFor(UPLOAD_IDLE_MS_MAX);

      expect([stopMs, node.telemetry.told]).toEqual([stopMs, []]);
      expect([stopMs, node.world.pending]).toEqual([stopMs, 0]);
    }
  });

  test("after a crash a session has what the disk has kept, and can be brought to its end", async () => {
    const offsets = new Set<number>();
    for (let seed = 0; seed < 30; seed += 1) {
      const node = await StoredNode.started({ seed });
      const id = await started(node);
      await append(node, id, body(FIRST));
      const death = Promise.withResolvers<never>();
      async function* cutBody(): AsyncGenerator<Uint8Array, void> {
        yield SECOND.subarray(0, 6);
        await death.promise;
      }
      const underWay = expect(append(node, id, cutBody())).rejects.toThrow();
      await node.world.runFor(1);

      node.kill();
      await node.start();

      const { offset } = await node.uploads.status(REPO, id);
      offsets.add(offset);
      const rest = WHOLE.subarray(offset);
      await append(node, id, body(rest), rest.length === 0 ? undefined : rangeOf(offset, rest));
      expect(await finish(node, id, DIGEST)).toBe(DIGEST);
      expect(await node.content(DIGEST)).toEqual(WHOLE);
      death.reject(new Error("the process has died"));
      await underWay;
    }
    expect(offsets.size).toBeGreaterThan(3);
  });

  test("nothing that was acknowledged is lost, and nothing is named without its bytes, whenever the process dies", async () => {
    const fates = new Set<string>();
    for (let crashMs = 0; crashMs < 60; crashMs += 1) {
      const node = await StoredNode.started({ seed: crashMs, pauseMs: () => 1 });
      const { world } = node;
      const told = { isAcknowledged: false };
      const push = async (): Promise<void> => {
        const id = await started(node);
        await append(node, id, body(FIRST));
        await finish(node, id, DIGEST, { chunks: body(SECOND) });
        told.isAcknowledged = true;
      };

      const pushed = push().catch(() => undefined);
      await world.runFor(crashMs);
      node.kill();
      await world.run(pushed);
      await world.run(node.start());

      const isNamed = (await world.run(node.metadata.reader.blobSize(DIGEST))) !== undefined;
      if (told.isAcknowledged) expect([crashMs, isNamed]).toEqual([crashMs, true]);
      expect(await world.run(node.content(DIGEST))).toEqual(isNamed ? WHOLE : undefined);
      expect(await world.run(node.metadata.reader.linksBlob(REPO, DIGEST))).toBe(isNamed);
      fates.add(`${told.isAcknowledged ? "acknowledged" : "not acknowledged"}, ${isNamed ? "named" : "not named"}`);
    }
    expect(fates).toEqual(new Set(["not acknowledged, not named", "not acknowledged, named", "acknowledged, named"]));
  });
});

describe("a session whose record was damaged", () => {
  test("is lost and told of, and takes no other with it", async () => {
    const node = await StoredNode.started();
    const ids = [await started(node), await started(node), await started(node)].toSorted();
    const [first = "", damaged = "", last = ""] = ids;
    for (const id of ids) await append(node, id, body(FIRST));
    await node.kv.commit([
      { kind: "put", key: bytesOf(uploadRow(damaged)), value: Buffer.from("not what was written") },
    ]);

    await node.restart();

    expect(await node.uploads.status(REPO, first)).toEqual({ id: first, offset: FIRST.length });
    expect(await node.uploads.status(REPO, last)).toEqual({ id: last, offset: FIRST.length });
    expect(await refusal(node.uploads.status(REPO, damaged))).toEqual(unknown(damaged));
    expect(await started(node)).toMatch(/eu-1$/);
    expect(node.telemetry.read("meridian_storage_errors_total", { operation: "read-upload" })).toBe(1);
    expect(node.telemetry.told.map(({ event }) => event)).toContain(
      "an upload's record is damaged: the upload is lost",
    );
  });
});

describe("a sweep", () => {
  test("ends the sessions that nobody has used for a day, and frees their bytes", async () => {
    const node = await StoredNode.started();
    const idle = await started(node);
    const used = await started(node);
    await append(node, idle, body(FIRST));
    await append(node, used, body(FIRST));

    await node.world.runFor(UPLOAD_IDLE_MS_MAX - 1_000);
    await append(node, used, body(SECOND));
    expect(await node.uploads.sweep()).toBe(0);
    await node.world.runFor(2_000);
    expect(await node.uploads.sweep()).toBe(1);

    expect(await refusal(node.uploads.status(REPO, idle))).toEqual(unknown(idle));
    expect((await node.disk.staged()).map(({ size }) => size)).toEqual([WHOLE.length]);
    expect(await finish(node, used, DIGEST)).toBe(DIGEST);
    expect(node.telemetry.read("meridian_uploads_total", { result: "expired" })).toBe(1);
  });

  test("ends sessions without a byte sooner: permission checks leave them behind", async () => {
    const node = await StoredNode.started();
    await started(node);

    await node.world.runFor(UPLOAD_EMPTY_IDLE_MS_MAX - 1_000);
    expect(await node.uploads.sweep()).toBe(0);
    await node.world.runFor(2_000);

    expect(await node.uploads.sweep()).toBe(1);
  });

  test("comes by itself", async () => {
    const node = await StoredNode.started();
    const id = await started(node);

    await node.world.runFor(UPLOAD_EMPTY_IDLE_MS_MAX + 15 * 60_000);

    expect(await refusal(node.uploads.status(REPO, id))).toEqual(unknown(id));
  });

  test("knows over a restart how long a session has been idle", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    await node.world.runFor(UPLOAD_IDLE_MS_MAX - 60_000);
    await node.restart();

    expect(await node.uploads.sweep()).toBe(0);
    await node.world.runFor(120_000);

    expect(await node.uploads.sweep()).toBe(1);
  });

  test("ends no session that was used before a restart, however long ago it was opened", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    for (let day = 0; day < 3; day += 1) {
      await node.world.runFor(UPLOAD_IDLE_MS_MAX - 1_000);
      await append(node, id, body(FIRST));
    }

    await node.restart();

    expect(await node.uploads.sweep()).toBe(0);
  });

  test("is not misled by a clock that is set", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));

    node.clock.shift(10 * UPLOAD_IDLE_MS_MAX);

    expect(await node.uploads.sweep()).toBe(0);
  });

  test("passes over a session whose request is under way, and takes the rest", async () => {
    const node = await StoredNode.started();
    const [busy, idle] = [await started(node), await started(node)];
    const gate = Promise.withResolvers<undefined>();
    async function* slowBody(): AsyncGenerator<Uint8Array, void> {
      yield FIRST;
      await gate.promise;
    }
    const slow = append(node, busy, slowBody());
    await node.world.runFor(UPLOAD_IDLE_MS_MAX + 1_000);

    await node.uploads.sweep();
    gate.resolve(undefined);

    expect(await slow).toEqual({ id: busy, offset: FIRST.length });
    expect(await refusal(node.uploads.status(REPO, idle))).toEqual(unknown(idle));
  });

  test("frees what earlier starts have staged for themselves, and no session's bytes, and nothing of this start", async () => {
    const node = await StoredNode.started();
    const id = await started(node);
    await append(node, id, body(FIRST));
    await node.blobs.stage();
    await node.restart();
    const present = await node.blobs.stage();
    await (await node.disk.stage(`upload-${"0".repeat(32)}`)).close();

    await node.uploads.sweep();

    expect((await node.disk.staged()).map(({ name }) => name)).toEqual([present.name, `upload-${id.slice(0, 32)}`]);
  });
});

describe("what is told of sessions", () => {
  test("is how many are open, and how each ended", async () => {
    const node = await StoredNode.started();
    const [finished, cancelled] = [await started(node), await started(node), await started(node)];
    expect(node.telemetry.read("meridian_uploads_in_progress")).toBe(3);

    await finish(node, finished, DIGEST, { chunks: body(WHOLE) });
    await node.uploads.cancel(REPO, cancelled);

    expect(node.telemetry.read("meridian_uploads_in_progress")).toBe(1);
    expect(node.telemetry.read("meridian_uploads_total", { result: "finished" })).toBe(1);
    expect(node.telemetry.read("meridian_uploads_total", { result: "cancelled" })).toBe(1);
    await node.restart();
    await node.uploads.sweep();
    expect(node.telemetry.read("meridian_uploads_in_progress")).toBe(1);
  });
});
