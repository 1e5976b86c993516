/**
 * An image that the asked server does not have, and another has: our node beside a node that was pushed to,
 * docker-registry as a cache in front of docker-registry, and any other pair of servers that was started by hand. Every
 * run is of a new image. The clock starts when the manifest is asked for, as a client's does.
 */
import type { Contestant } from "./contestants.ts";
import { type Address, Exchange, expectStatus, requestHead } from "./exchange.ts";
import type { Sample } from "./measure.ts";
import { cpuSeconds } from "./processes.ts";
import { digestOf, pushBlob, pushManifest, uniqueBlob, uniqueManifest } from "./pushes.ts";

export type ColdPair = {
  readonly name: string;
  /** Has the image. */
  readonly source: Address;
  /** Is asked for it. */
  readonly asked: Contestant;
};

const REPOSITORY = "bench/cold";
const CONFIG_BYTES = 2_048;
const MIB = 1024 * 1024;
const KNOWN_TIMEOUT_MS = 10_000;

/** @throws when a client does not get the whole blob. */
export async function pullCold({ source, asked }: ColdPair, clients: number, size: number): Promise<Sample> {
  const [config, layer] = [uniqueBlob(CONFIG_BYTES), uniqueBlob(size)];
  const image = uniqueManifest(config, layer);
  const pushing = new Exchange(source);
  for (const blob of [config, layer]) await pushBlob(pushing, blob, REPOSITORY);
  await pushManifest(pushing, image, REPOSITORY);
  pushing.close();
  // By digest, so that no cache of the answer is warmed for the tag; a node hears of the push by itself, and soon.
  if (asked.name.startsWith("meridian")) await known(asked.address, digestOf(image.bytes));

  const exchanges = Array.from({ length: clients }, () => new Exchange(asked.address));
  const cpuBefore = await cpuSeconds(asked.pid);
  const startedMs = performance.now();
  const pull = async (exchange: Exchange): Promise<number> => {
    const manifest = await exchange.ask([requestHead("GET", `/v2/${REPOSITORY}/manifests/${image.tag}`, ACCEPT)]);
    expectStatus(manifest, 200);
    let firstByteMs = Number.NaN;
    const head = requestHead("GET", `/v2/${REPOSITORY}/blobs/${layer.digest}`);
    const blob = await exchange.ask([head], false, () => {
      firstByteMs = performance.now() - startedMs;
    });
    expectStatus(blob, 200);
    if (blob.bodyBytes !== size) throw new Error(`${asked.name} sent ${blob.bodyBytes} bytes of ${size}`);
    return firstByteMs;
  };
  try {
    const firstBytesMs = await Promise.all(exchanges.map(pull));
    const elapsedMs = performance.now() - startedMs;
    const cpu = (await cpuSeconds(asked.pid)) - cpuBefore;
    const pulledMiB = (clients * size) / MIB;
    return {
      rate: (pulledMiB / elapsedMs) * 1000,
      unit: "MiB/s",
      cpu: cpu / (pulledMiB / 1024),
      cpuUnit: "s/GiB",
      firstByteMs: Math.max(...firstBytesMs),
    };
  } finally {
    for (const exchange of exchanges) exchange.close();
  }
}

const ACCEPT = { Accept: "application/vnd.oci.image.manifest.v1+json" };

async function known(address: Address, digest: string): Promise<void> {
  const exchange = new Exchange(address);
  const untilMs = performance.now() + KNOWN_TIMEOUT_MS;
  try {
    while (performance.now() < untilMs) {
      const head = requestHead("HEAD", `/v2/${REPOSITORY}/manifests/${digest}`, ACCEPT);
      if ((await exchange.ask([head], true)).status === 200) return;
    }
    throw new Error("the image did not become known");
  } finally {
    exchange.close();
  }
}
