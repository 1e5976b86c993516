/**
 * The end of a test run: what was skipped and why, and the counts in a file for whoever has to read them by machine.
 * A skip whose file names no requirement is a test that someone switched off, and fails the run.
 */

import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import type { Reporter, TestModule, Vitest } from "vitest/node";
import type { Availability, RequirementName } from "./requirements.ts";
import { probe, REQUIREMENTS } from "./requirements.ts";

type Counts = { readonly passed: number; readonly failed: number; readonly skipped: number };

const REQUIREMENT_NAMES: readonly RequirementName[] = ["docker", "skopeo", "linux", "root", "mounts", "strace"];

/** Which requirements a test file asks for, read from its source. */
function requirementsNamedIn(source: string): readonly RequirementName[] {
  return REQUIREMENT_NAMES.filter((name) => new RegExp(`\\brequirements\\s*\\.\\s*${name}\\s*\\(`).test(source));
}

/** Why a file's tests were skipped, or `undefined` when nothing the machine lacks explains it. */
export function reasonForSkip(
  source: string,
  has: (name: RequirementName) => Availability = probe,
): string | undefined {
  const lacking = requirementsNamedIn(source).filter((name) => !has(name).available);
  if (lacking.length === 0) return undefined;
  return lacking
    .map((name) => `${name}: ${has(name).reason} (${REQUIREMENTS[name].requiredBy}=1 makes this a failure)`)
    .join("; ");
}

/** A file that could not be collected, or a suite whose hook failed, counts as one failure: it hides an unknown number. */
function countsOf(modules: readonly TestModule[], unhandledErrors: number): Counts {
  let passed = 0;
  let failed = unhandledErrors;
  let skipped = 0;
  for (const module of modules) {
    let failedHere = 0;
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === "passed") passed += 1;
      else if (state === "skipped") skipped += 1;
      else failedHere += 1;
    }
    failed += module.ok() ? failedHere : Math.max(failedHere, 1);
  }
  return { passed, failed, skipped };
}

function skippedIn(module: TestModule): number {
  return [...module.children.allTests("skipped")].length;
}

export class RequirementsReporter implements Reporter {
  #isFiltered = false;

  onInit(vitest: Vitest): void {
    this.#isFiltered = vitest.config.testNamePattern !== undefined;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const counts = countsOf(modules, unhandledErrors.length);
    const countsFile = process.env["MERIDIAN_TEST_COUNTS"];
    if (countsFile !== undefined && countsFile !== "") {
      mkdirSync(path.dirname(countsFile), { recursive: true });
      writeFileSync(countsFile, `${JSON.stringify(counts)}\n`);
    }
    if (!this.#isFiltered) reportSkips(modules);
  }
}

function reportSkips(modules: readonly TestModule[]): void {
  const lines = modules
    .filter((module) => skippedIn(module) > 0)
    .map((module) => {
      const reason = reasonForSkip(readFileSync(module.moduleId, "utf8"));
      if (reason === undefined) process.exitCode = 1;
      const where = path.relative(process.cwd(), module.moduleId);
      return `  ${skippedIn(module)} in ${where}: ${reason ?? "NO REQUIREMENT NAMED, so this run fails"}`;
    });
  if (lines.length === 0) return;
  process.stdout.write(`Skipped:\n${lines.join("\n")}\n`);
}
