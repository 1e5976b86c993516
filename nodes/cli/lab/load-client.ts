import type { LoadClient } from "../../../cluster-sim/lab/load.ts";
import { parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import { sampleImage } from "../images/sample-image.ts";
import { transferImage } from "../images/transfer.ts";
import { HttpExchange } from "../remote/http-exchange.ts";
import { byTag, RegistryClient } from "../remote/registry-client.ts";
import { writeToRegistry } from "../remote/registry-image.ts";
import { CliError, EXIT } from "../terminal/cli-error.ts";
import { SILENT_PROGRESS } from "../terminal/progress.ts";

const REPOSITORY = parseRepositoryName("load/images");
const IDLE_MS = 10_000;

/** A sample image for each push, unlike every other. */
export function createLoadClient(): LoadClient {
  const exchange = new HttpExchange({ idleMs: IDLE_MS, onWait: () => undefined });
  const clientOf = (registry: string): RegistryClient => new RegistryClient(new URL(`http://${registry}`), exchange);
  return {
    push: async (registry, tag, signal) => {
      const reader = await sampleImage(tag);
      const name = { registry, repo: REPOSITORY, tag: parseTag(tag), digest: undefined };
      const target = { client: clientOf(registry), name, reference: byTag(name.tag) };
      await transferImage(reader, writeToRegistry(target), SILENT_PROGRESS, signal);
      return reader.root.digest;
    },
    digestOf: async (registry, tag, signal) => {
      try {
        return (await clientOf(registry).resolve(REPOSITORY, byTag(parseTag(tag)), signal)).digest;
      } catch (cause) {
        if (cause instanceof CliError && cause.exitCode === EXIT.notFound) return undefined;
        throw cause;
      }
    },
  };
}
