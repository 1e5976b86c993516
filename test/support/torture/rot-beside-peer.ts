/**
 * Rot on one of two nodes: what it has lost, the other has. Every damaged blob is served whole all the same, and afterwards
 * lies whole on the disk again.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { Prng } from "../../../cluster-sim/prng.ts";
import { eventually } from "../eventually.ts";
import { config, digestOf, image, layer } from "../oci-fixtures.ts";
import { DAMAGES, damageFile } from "./damage.ts";
import { meridian, type StoreProcess } from "./store-process.ts";

const REPO = "rot/beside";
/** From what memory keeps to what only the disk has. */
const LAYER_BYTES = [1_000, 50_000, 300_000, 1_500_000] as const;
const WAIT_MS = 60_000;

export type PeerRotOptions = { readonly place: string; readonly seed: string; readonly blobInjections: number };

export type PeerRotReport = {
  readonly injected: number;
  readonly findings: readonly { readonly file: string; readonly damage: string; readonly what: string }[];
};

export async function rotBesidePeer({ place, seed, blobInjections }: PeerRotOptions): Promise<PeerRotReport> {
  const prng = new Prng(seed);
  const [home, away] = [join(place, "eu"), join(place, "us")];
  const first = await node("eu")(home);
  const peer = await node("us", first.addresses.peer)(away);
  const digests = await pushImages(first, seed, blobInjections);
  for (const digest of digests) await expectBlob(peer, digest);
  await first.kill();

  const damaged: { readonly digest: string; readonly file: string; readonly damage: string }[] = [];
  for (const [index, digest] of digests.entries()) {
    const hex = digest.slice("sha256:".length);
    const file = `${home}/data/blobs/sha256/${hex.slice(0, 2)}/${hex}`;
    const damage = DAMAGES[Math.floor(index / LAYER_BYTES.length) % DAMAGES.length] ?? "flipped bit";
    const where = await damageFile(file, damage, prng);
    if (where !== undefined) damaged.push({ digest, file, damage: `${damage}, ${where}` });
  }

  const second = await node("eu", peer.addresses.peer)(home);
  const findings: { file: string; damage: string; what: string }[] = [];
  for (const { digest, file, damage } of damaged) {
    const find = (what: string): void => void findings.push({ file, damage, what });
    await expectBlob(second, digest).catch((cause: unknown) => find(`not served: ${String(cause)}`));
    const isMended = async (): Promise<boolean> => digestOf(await readFile(file).catch(() => "")) === digest;
    await eventually(isMended, WAIT_MS).catch(() => find("still damaged on the disk"));
  }
  await Promise.all([second.kill(), peer.kill()]);
  return { injected: damaged.length, findings };
}

function node(region: string, seed = ""): (folder: string) => Promise<StoreProcess> {
  return meridian({
    environment: {
      MERIDIAN_NODE: `${region}-1`,
      MERIDIAN_REGION: region,
      ...(seed === "" ? {} : { MERIDIAN_JOIN: seed }),
    },
  });
}

/** Returns the digests of their layers. */
async function pushImages({ client }: StoreProcess, seed: string, count: number): Promise<readonly string[]> {
  const digests: string[] = [];
  for (let index = 0; index < count; index += 1) {
    const name = `${seed}-${index}`;
    const parts = { config: config(name), layers: [layer(name, LAYER_BYTES[index % LAYER_BYTES.length])] };
    await client.pushManifest(REPO, `t${index}`, image(parts), [parts.config, ...parts.layers]);
    digests.push(...parts.layers.map(({ digest }) => digest));
  }
  return digests;
}

/** Once it knows of it, and of whoever has it. @throws when other bytes come, or none in time. */
async function expectBlob({ client }: StoreProcess, digest: string): Promise<void> {
  await eventually(async () => {
    const reply = await client.getBlob(REPO, digest).catch(() => undefined);
    if (reply?.status !== 200) return false;
    if (digestOf(reply.body) !== digest) throw new Error(`other bytes were served: ${digestOf(reply.body)}`);
    return true;
  }, WAIT_MS);
}
