import { expect, test } from "vitest";
import { digestOf } from "../../../shared/digest.ts";
import { VersionVector } from "../../../shared/version-vector.ts";
import { imageNamed, push } from "../../support/metadata-fixture.ts";
import { ReplicatingCluster } from "../../support/replicating-cluster.ts";

const NEVER = new AbortController().signal;
const HELLO = Buffer.from("hello, world");
const DIGEST = digestOf(HELLO);
/** Never read before it is damaged, so that no memory holds it. */
const MOON = Buffer.from("hello, moon");

async function content(chunks: AsyncIterable<Uint8Array>): Promise<string> {
  let text = "";
  for await (const chunk of chunks) text += Buffer.from(chunk).toString();
  return text;
}

test("a peer that asks for bytes which are not here, or no longer whole, is refused, and that is no failure", async () => {
  const cluster = await ReplicatingCluster.start({ nodes: 2 });
  const [eu, us] = [cluster.node(0), cluster.node(1)];
  const calls = eu.service(us.self);
  const store = async (bytes: Uint8Array): Promise<void> => {
    const staging = await eu.blobs.stage();
    await staging.append(bytes);
    await eu.blobs.commit(staging, digestOf(bytes));
  };
  await cluster.world.run(store(HELLO));
  await cluster.world.run(store(MOON));
  expect(await cluster.world.run(content(calls.readBlob(DIGEST, 7, NEVER)))).toBe("world");

  const beyond = cluster.world.run(content(calls.readBlob(DIGEST, HELLO.length + 1, NEVER)));
  await expect(beyond).rejects.toMatchObject({ code: "BLOB_UNKNOWN" });
  cluster.disk(eu.name).damage(digestOf(MOON), MOON.subarray(1));

  const damaged = cluster.world.run(content(calls.readBlob(digestOf(MOON), 0, NEVER)));
  await expect(damaged).rejects.toMatchObject({ code: "BLOB_UNKNOWN" });
  await cluster.stopAll();
});

test("catch-up sessions beyond the eighth are put off, until one ends", async () => {
  const cluster = await ReplicatingCluster.start({ nodes: 2 });
  const [eu, us] = [cluster.node(0), cluster.node(1)];
  await cluster.world.run(push(eu.metadata, imageNamed("one")));
  const calls = eu.service(us.self);
  const open = (): AsyncIterator<unknown> => calls.pull(new VersionVector(), NEVER)[Symbol.asyncIterator]();
  const sessions = Array.from({ length: 8 }, open);
  for (const session of sessions) await cluster.world.run(session.next());

  await expect(cluster.world.run(open().next())).rejects.toMatchObject({ code: "TOOMANYREQUESTS" });
  await sessions[0]?.return?.();

  expect((await cluster.world.run(open().next())).done).toBe(false);
  await cluster.stopAll();
});
