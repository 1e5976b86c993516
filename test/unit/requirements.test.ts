import { describe, expect, test } from "vitest";
import type { Availability } from "../support/requirements.ts";
import { answer } from "../support/requirements.ts";
import { reasonForSkip } from "../support/requirements-reporter.ts";

const THERE: Availability = { available: true, reason: "" };
const MISSING: Availability = { available: false, reason: "not installed" };

describe("what a test needs from the machine", () => {
  test("may be missing, and the test then skips", () => {
    expect(answer("docker", MISSING, {})).toEqual(MISSING);
    expect(answer("docker", MISSING, { REQUIRE_ROOT: "1", REQUIRE_DOCKER: "0" })).toEqual(MISSING);
  });

  test("must not be missing where a variable requires it", () => {
    expect(answer("docker", THERE, { REQUIRE_DOCKER: "1" })).toEqual(THERE);
    expect(() => answer("docker", MISSING, { REQUIRE_DOCKER: "1" })).toThrow(
      "REQUIRE_DOCKER=1, but docker is missing: not installed",
    );
    expect(() => answer("root", MISSING, { REQUIRE_ROOT: "1" })).toThrow("REQUIRE_ROOT=1, but root is missing");
  });

  test("is named when a test skipped for want of it", () => {
    const source = "describe.skipIf(!requirements.skopeo().available || !requirements.root().available)";

    expect(reasonForSkip(source, () => MISSING)).toBe(
      "skopeo: not installed (REQUIRE_DOCKER=1 makes this a failure); root: not installed (REQUIRE_ROOT=1 makes this a failure)",
    );
  });

  test("does not excuse a skip that asks for nothing, or for what is there", () => {
    expect(reasonForSkip('describe.skip("later", () => {});', () => MISSING)).toBeUndefined();
    expect(reasonForSkip("describe.skipIf(!requirements.docker().available)", () => THERE)).toBeUndefined();
  });
});
