import { expect, test } from "vitest";

import { ACCESS_KINDS } from "../../../shared/access.ts";

test("the kinds of access are few, closed, and keep reading, writing and deleting apart", () => {
  expect(ACCESS_KINDS).toEqual(["none", "login", "pull", "push", "delete", "catalog", "observe", "manage"]);
});
