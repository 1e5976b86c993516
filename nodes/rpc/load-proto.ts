/**
 * The services as the .proto files define them, read when the process starts, with the types that `make proto`
 * generated from the same files. The options below and those of the generator must say the same.
 */
import { fileURLToPath } from "node:url";
import { loadSync, type PackageDefinition } from "@grpc/proto-loader";
import type { HealthDefinition } from "../../proto/gen/grpc/health/v1/Health.ts";
import type { BlobsDefinition } from "../../proto/gen/meridian/v1/Blobs.ts";
import type { ControlDefinition } from "../../proto/gen/meridian/v1/Control.ts";
import type { MetadataDefinition } from "../../proto/gen/meridian/v1/Metadata.ts";
import { invariant } from "../../shared/invariant.ts";

const PROTO_FOLDER = fileURLToPath(new URL("../../proto/", import.meta.url));
const FILES = [
  "meridian/v1/control.proto",
  "meridian/v1/metadata.proto",
  "meridian/v1/blobs.proto",
  "grpc/health/v1/health.proto",
];

export type Proto = {
  readonly control: ControlDefinition;
  readonly metadata: MetadataDefinition;
  readonly blobs: BlobsDefinition;
  readonly health: HealthDefinition;
};

/** Reads the files anew at each call; some 20 ms. */
export function loadProto(): Proto {
  const loaded = loadSync(FILES, {
    includeDirs: [PROTO_FOLDER],
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  });
  return {
    control: service(loaded, "meridian.v1.Control", isControl),
    metadata: service(loaded, "meridian.v1.Metadata", isMetadata),
    blobs: service(loaded, "meridian.v1.Blobs", isBlobs),
    health: service(loaded, "grpc.health.v1.Health", isHealth),
  };
}

function service<Definition>(
  loaded: PackageDefinition,
  name: string,
  isDefinition: (found: unknown) => found is Definition,
): Definition {
  const found: unknown = loaded[name];
  invariant(isDefinition(found), `the .proto files define ${name} as the generated types do`);
  return found;
}

function hasMethods(found: unknown, ...methods: readonly string[]): boolean {
  return typeof found === "object" && found !== null && methods.every((method) => method in found);
}

function isControl(found: unknown): found is ControlDefinition {
  return hasMethods(found, "Greet", "Report", "Probe", "ProbeFor", "TellMembers", "CompareMembers");
}

function isMetadata(found: unknown): found is MetadataDefinition {
  return hasMethods(found, "Replicate", "Pull", "Lookup", "DescribeImage");
}

function isBlobs(found: unknown): found is BlobsDefinition {
  return hasMethods(found, "Have", "Read");
}

function isHealth(found: unknown): found is HealthDefinition {
  return hasMethods(found, "Check", "Watch");
}
