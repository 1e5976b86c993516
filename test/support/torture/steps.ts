/** The pieces of a long run: each a scenario or two with a seed, counted into the figures. Together they take a few minutes. */
import { inArena } from "./enter-arena.ts";
import type { Figures } from "./figures.ts";
import { SWEEP_FAULTS } from "./sweep.ts";

const CYCLES = 60;
const METADATA_INJECTIONS = 60;
const BLOB_INJECTIONS = 120;

export type Step = {
  readonly name: string;
  /** Returns what was found. */
  readonly run: (seed: string, figures: Figures) => Promise<readonly unknown[]>;
};

async function cut(disaster: "power-cut" | "kill", seed: string, figures: Figures): Promise<readonly unknown[]> {
  const { cycles, acknowledged, faults } = await inArena.cuts(disaster, { seed, cycles: CYCLES });
  figures.add(disaster === "kill" ? "kills" : "power_cuts", cycles);
  figures.add("acknowledged_writes", acknowledged);
  figures.add("acknowledged_writes_at_fault", faults.length);
  figures.add("wrong_bytes_served", faults.filter(({ kind }) => kind === "wrong bytes").length);
  return faults;
}

async function rot(seed: string, figures: Figures): Promise<readonly unknown[]> {
  const counts = { metadataInjections: METADATA_INJECTIONS, blobInjections: BLOB_INJECTIONS };
  const { injections } = await inArena.rot({ seed, ...counts });
  const lies = injections.filter(({ outcome }) => outcome === "lied");
  const silences = injections.filter(({ outcome }) => outcome === "silent");
  figures.add("rot_injections", injections.length);
  figures.add("rot_lies", lies.length);
  figures.add("rot_silences", silences.length);
  return [...lies, ...silences];
}

async function exhaust(figures: Figures): Promise<readonly unknown[]> {
  const findings: unknown[] = [];
  for (const scenario of ["full-ext4", "full-tmpfs", "no-inodes"] as const) {
    const report = await inArena.exhaustion(scenario);
    figures.add("full_disk_steps", report.steps);
    findings.push(...report.findings);
  }
  const fewFiles = await inArena.fewFiles();
  findings.push(...fewFiles.findings);
  figures.add("full_disk_findings", findings.length);
  return findings;
}

async function failDisks(figures: Figures): Promise<readonly unknown[]> {
  const findings: unknown[] = [];
  for (const scenario of ["late-sync", "read-only", "lost-sectors"] as const) {
    findings.push(...(await inArena.failingDisk(scenario)).findings);
    figures.add("failing_disks", 1);
  }
  figures.add("failing_disk_findings", findings.length);
  return findings;
}

export const STEPS: readonly Step[] = [
  { name: "power-cut", run: async (seed, figures) => await cut("power-cut", seed, figures) },
  { name: "rot", run: rot },
  { name: "kill", run: async (seed, figures) => await cut("kill", seed, figures) },
  { name: "exhaustion", run: async (_seed, figures) => await exhaust(figures) },
  { name: "failing disks", run: async (_seed, figures) => await failDisks(figures) },
  ...SWEEP_FAULTS.map((fault) => ({
    name: `sweep with ${fault}`,
    run: async (_seed: string, figures: Figures) => {
      const { cells, findings } = await inArena.sweep({ faults: [fault] });
      figures.add("sweep_cells", cells);
      figures.add("sweep_findings", findings.length);
      return findings;
    },
  })),
];
