/**
 * One run, one set of counts. Every kind of test is a project of this configuration, so `make test` is a single call
 * whose totals nobody has to add up.
 *
 * Files of the pure kinds share the machine freely. Kinds that start processes, take ports or move hundreds of megabytes
 * run afterwards, one kind at a time and one file at a time: on two cores a neighbour would turn their deadlines into
 * coin tosses.
 *
 * Sources run in Node's own module loader with types stripped, exactly as in production: what the runtime would refuse
 * (an enum, an import without its extension) fails here too.
 */

import process from "node:process";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { RequirementsReporter } from "./support/requirements-reporter.ts";

type Kind = {
  readonly name: string;
  readonly include: string;
  /** Kinds with a lower order finish before a higher order begins. */
  readonly order: number;
  readonly workers: number;
  readonly timeoutMs: number;
};

const KINDS: readonly Kind[] = [
  { name: "tidy", include: "test/*.test.ts", order: 0, workers: 2, timeoutMs: 20_000 },
  { name: "unit", include: "test/unit/**/*.test.ts", order: 0, workers: 2, timeoutMs: 10_000 },
  { name: "property", include: "test/property/**/*.test.ts", order: 0, workers: 2, timeoutMs: 60_000 },
  { name: "fuzz", include: "test/fuzz/**/*.test.ts", order: 0, workers: 2, timeoutMs: 60_000 },
  { name: "contract", include: "test/contract/**/*.test.ts", order: 0, workers: 2, timeoutMs: 30_000 },
  { name: "storage", include: "test/storage/**/*.test.ts", order: 0, workers: 2, timeoutMs: 30_000 },
  { name: "registry-api", include: "test/registry-api/**/*.test.ts", order: 1, workers: 2, timeoutMs: 60_000 },
  { name: "integration", include: "test/integration/**/*.test.ts", order: 2, workers: 2, timeoutMs: 60_000 },
  { name: "simulation", include: "test/simulation/**/*.test.ts", order: 3, workers: 2, timeoutMs: 300_000 },
  { name: "torture", include: "test/torture/**/*.test.ts", order: 4, workers: 2, timeoutMs: 900_000 },
  { name: "e2e", include: "test/e2e/**/*.test.ts", order: 5, workers: 1, timeoutMs: 300_000 },
  { name: "containers", include: "test/containers/**/*.test.ts", order: 6, workers: 1, timeoutMs: 600_000 },
];

/**
 * Containers are reached on loopback, where Docker publishes their ports. The library's reaper is off: it needs an image of
 * its own from the internet, and every test removes what it starts.
 */
const CONTAINERS_ENV = {
  TESTCONTAINERS_HOST_OVERRIDE: process.env["TESTCONTAINERS_HOST_OVERRIDE"] ?? "127.0.0.1",
  TESTCONTAINERS_RYUK_DISABLED: process.env["TESTCONTAINERS_RYUK_DISABLED"] ?? "true",
};

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: {
    reporters: ["default", new RequirementsReporter()],
    projects: KINDS.map(({ name, include, order, workers, timeoutMs }) => ({
      extends: true,
      test: {
        name,
        env: CONTAINERS_ENV,
        include: [include],
        pool: "forks",
        maxWorkers: workers,
        sequence: { groupOrder: order },
        testTimeout: timeoutMs,
        hookTimeout: timeoutMs,
        experimental: { viteModuleRunner: false, nodeLoader: false },
      },
    })),
  },
});
