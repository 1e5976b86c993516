import { IncomingMessage, ServerResponse } from "node:http";
import { Socket } from "node:net";
import { describe, expect, test } from "vitest";

import { SimClock } from "../../../cluster-sim/sim-clock.ts";
import { SimTimers } from "../../../cluster-sim/sim-timers.ts";
import { World } from "../../../cluster-sim/world.ts";
import { ClientGoneError, RequestBody } from "../../../nodes/http/request-body.ts";
import { RegistryError } from "../../../shared/errors.ts";
import { BODY_PROGRESS_BYTES_MIN, DRAIN_BYTES_MAX } from "../../../shared/limits.ts";

const IDLE_MS = 60_000;

/** A client whose every byte comes when the test says so, in a world where nothing else takes time. */
function clientIn(world: World, headers: Readonly<Record<string, string>> = {}) {
  const request = new IncomingMessage(new Socket());
  Object.assign(request.headers, headers);
  const body = new RequestBody({
    request,
    response: new ServerResponse(request),
    clock: new SimClock(world),
    timers: new SimTimers(world),
    idleMs: IDLE_MS,
    isContinueExpected: false,
  });
  return {
    request,
    body,
    sends: (bytes: number): boolean => request.push(Buffer.alloc(bytes)),
    ends: (): void => {
      request.complete = true;
      request.push(null);
    },
  };
}

describe("a body", () => {
  test("may take any time as long as it comes on", async () => {
    const world = new World();
    const client = clientIn(world);
    const read = client.body.read(1024 * 1024);

    for (let minute = 0; minute < 60; minute += 1) {
      await world.runFor(IDLE_MS - 1);
      client.sends(BODY_PROGRESS_BYTES_MIN);
    }
    await world.runFor(0);
    client.ends();

    expect((await world.run(read)).length).toBe(60 * BODY_PROGRESS_BYTES_MIN);
  });

  test("that stops coming is given up after its time", async () => {
    const world = new World();
    const client = clientIn(world);
    const read = client.body.read(1024);

    client.sends(100);
    const failure = world.run(read);

    await expect(failure).rejects.toMatchObject({ code: "BLOB_UPLOAD_INVALID", status: 408 });
    expect(world.nowMs).toBe(IDLE_MS);
  });

  test("that trickles is one that stops", async () => {
    const world = new World();
    const client = clientIn(world);
    const read = client.body.read(1024 * 1024);
    const failed = read.catch((error: unknown) => error);

    for (let second = 0; second < 100; second += 1) {
      client.sends(1);
      await world.runFor(1_000);
    }

    expect(await world.run(failed)).toBeInstanceOf(RegistryError);
    expect(client.body.receivedBytes).toBeLessThan(100);
  });

  test("costs its client nothing while it is we who are busy", async () => {
    const world = new World();
    const client = clientIn(world);
    const chunks = client.body.chunks();

    client.sends(1);
    await world.run(chunks.next());
    await world.runFor(10 * IDLE_MS);
    client.sends(1);

    expect((await world.run(chunks.next())).done).toBe(false);
  });

  test("is refused as soon as it is known to be too large: by what it says, or by what came", async () => {
    const world = new World();
    const told = clientIn(world, { "content-length": "1025" });
    const found = clientIn(world);
    const tooLarge = { code: "SIZE_INVALID", status: 413, detail: { bytesMax: 1024 } };

    await expect(world.run(told.body.read(1024))).rejects.toMatchObject(tooLarge);
    found.sends(1025);
    await expect(world.run(found.body.read(1024))).rejects.toMatchObject(tooLarge);
    expect(told.body.receivedBytes).toBe(0);
  });

  test("whose client leaves in the middle has no end, and nobody to be told", async () => {
    const world = new World();
    const client = clientIn(world);
    const read = client.body.read(1024);

    client.sends(10);
    client.request.destroy();

    await expect(world.run(read)).rejects.toBeInstanceOf(ClientGoneError);
  });

  test("that nobody reads on is drained for a moment and no longer, and the connection stays whole", async () => {
    const world = new World();
    const client = clientIn(world);
    const chunks = client.body.chunks();
    client.sends(1);
    await world.run(chunks.next());
    await world.run(chunks.return(undefined));

    await world.run(client.body.drain());

    expect(world.nowMs).toBe(2_000);
    expect(client.request.destroyed).toBe(false);
  });

  test("that nobody reads on is drained only so far, however fast it comes", async () => {
    const world = new World();
    const client = clientIn(world);
    const drained = client.body.drain();

    for (let sent = 0; sent <= DRAIN_BYTES_MAX; sent += 1024 * 1024) client.sends(1024 * 1024);
    await world.run(drained);

    expect(world.nowMs).toBe(0);
  });
});
