import type { Breach } from "./source-file.ts";

const RUNTIME_PACKAGES_MAX = 15;
const ONE_VERSION = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;

function entries(value: unknown): readonly (readonly [string, unknown])[] {
  return typeof value === "object" && value !== null ? Object.entries(value) : [];
}

function under(value: unknown, key: string): unknown {
  return new Map(entries(value)).get(key);
}

/** `manifest` and `lock`: package.json and package-lock.json as parsed. */
export function breachesOfManifest(manifest: unknown, lock: unknown): readonly Breach[] {
  const runtime = entries(under(manifest, "dependencies"));
  const development = entries(under(manifest, "devDependencies"));
  const loose = [...runtime, ...development]
    .filter(([, version]) => typeof version !== "string" || !ONE_VERSION.test(version))
    .map(([name, version]) => `package.json: ${name} is ${String(version)}, not one version`);
  const hosts = entries(under(lock, "packages"))
    .filter(([, entry]) => under(entry, "resolved") !== undefined)
    .map(([where]) => `package-lock.json: ${where} names where it was downloaded`);
  const tooMany =
    runtime.length > RUNTIME_PACKAGES_MAX
      ? [`package.json: ${runtime.length} runtime packages, more than ${RUNTIME_PACKAGES_MAX}`]
      : [];
  return [...loose, ...hosts, ...tooMany];
}
