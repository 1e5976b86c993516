/**
 * What a test needs from the machine beyond Node. A test that needs Docker must not fail on a laptop without Docker, and
 * must not vanish from a build server that forgot to start it. So a need is probed once, a test skips on its absence,
 * the report names the reason, and `REQUIRE_DOCKER=1` / `REQUIRE_ROOT=1` turn the absence into a failure.
 *
 * ```ts
 * describe.skipIf(!requirements.docker().available)("three containers", () => { … });
 * ```
 */

import { spawnSync } from "node:child_process";
import process from "node:process";

export type Availability =
  | { readonly available: true; readonly reason: "" }
  | { readonly available: false; readonly reason: string };

export type RequirementName = "docker" | "skopeo" | "linux" | "root" | "mounts" | "strace";

type Requirement = {
  /** The environment variable that makes absence a failure when it is `1`. */
  readonly requiredBy: string;
  readonly probe: () => Availability;
};

const PROBE_TIMEOUT_MS = 20_000;
const AVAILABLE: Availability = { available: true, reason: "" };

function absent(reason: string): Availability {
  return { available: false, reason };
}

function probeProgram(program: string, args: readonly string[], whenRefused: string): Availability {
  const result = spawnSync(program, args, { encoding: "utf8", timeout: PROBE_TIMEOUT_MS });
  if (result.error !== undefined) return absent(`${program} did not run: ${result.error.message}`);
  if (result.status !== 0) return absent(`${whenRefused}: ${result.stderr.trim().split("\n").at(-1) ?? ""}`);
  return AVAILABLE;
}

function firstAbsent(probes: readonly (() => Availability)[]): Availability {
  for (const ask of probes) {
    const found = ask();
    if (!found.available) return found;
  }
  return AVAILABLE;
}

export const REQUIREMENTS: Readonly<Record<RequirementName, Requirement>> = {
  docker: {
    requiredBy: "REQUIRE_DOCKER",
    probe: () => probeProgram("docker", ["version", "--format", "{{.Server.Version}}"], "no Docker daemon answers"),
  },
  skopeo: {
    requiredBy: "REQUIRE_DOCKER",
    probe: () => probeProgram("skopeo", ["--version"], "skopeo does not run"),
  },
  linux: {
    requiredBy: "REQUIRE_ROOT",
    probe: () => (process.platform === "linux" ? AVAILABLE : absent(`this is ${process.platform}, not Linux`)),
  },
  root: {
    requiredBy: "REQUIRE_ROOT",
    probe: () => (process.getuid?.() === 0 ? AVAILABLE : absent("not running as root")),
  },
  mounts: {
    requiredBy: "REQUIRE_ROOT",
    probe: () =>
      firstAbsent([
        () => probeProgram("unshare", ["--mount", "--pid", "--fork", "true"], "namespaces are not to be had"),
        () => probeProgram("losetup", ["--find"], "no loop device is free"),
        () => probeProgram("mkfs.ext4", ["-V"], "mkfs.ext4 does not run"),
      ]),
  },
  strace: {
    requiredBy: "REQUIRE_ROOT",
    probe: () => probeProgram("strace", ["-o", "/dev/null", "true"], "no process can be traced"),
  },
};

const probed = new Map<RequirementName, Availability>();

/** Whether the machine has it; never throws. The answer is probed once a process. */
export function probe(name: RequirementName): Availability {
  const known = probed.get(name);
  if (known !== undefined) return known;
  const found = REQUIREMENTS[name].probe();
  probed.set(name, found);
  return found;
}

/**
 * What a test is told about `name`, of which the machine `has` what it has.
 *
 * @throws when it is missing although its REQUIRE_ variable in `env` is `1`.
 */
export function answer(
  name: RequirementName,
  has: Availability,
  env: Readonly<Record<string, string | undefined>>,
): Availability {
  const { requiredBy } = REQUIREMENTS[name];
  if (!has.available && env[requiredBy] === "1") {
    throw new Error(`${requiredBy}=1, but ${name} is missing: ${has.reason}`);
  }
  return has;
}

function check(name: RequirementName): Availability {
  return answer(name, probe(name), process.env);
}

export const requirements = {
  docker: (): Availability => check("docker"),
  skopeo: (): Availability => check("skopeo"),
  linux: (): Availability => check("linux"),
  root: (): Availability => check("root"),
  mounts: (): Availability => check("mounts"),
  strace: (): Availability => check("strace"),
} as const satisfies Record<RequirementName, () => Availability>;
