import { expect, test } from "vitest";

import { InvariantError, invariant } from "../../../shared/invariant.ts";

test("an invariant that holds says nothing, and one that does not stops with the sentence that should have been true", () => {
  expect(() => invariant(true, "water is wet")).not.toThrow();
  expect(() => invariant(false, "water is wet")).toThrow(new InvariantError("water is wet"));
});
