import { describe } from "vitest";
import { requestHead } from "../support/raw-http.ts";
import { harmless, holdAgainst, holdThatOnlyTheseAreThere, refused } from "./hostile.ts";

function get(target: string): string { return requestHead("GET", target); }

describe("a target", () => {
  holdAgainst([
    refused("climbs", get("/v2/../../etc/passwd")),
    harmless([200], "x", "plain", get("/v2/")),
    refused("NUL", get("/v2/a\0b/tags/list")),
  ]);
  holdThatOnlyTheseAreThere();
});
