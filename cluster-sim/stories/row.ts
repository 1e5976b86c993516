/** One row of the failure catalogue in the protocol's evidence (section 5): what is injected, what must hold, and how it is told. */
import type { Story } from "../story.ts";

/** Issues that are still to come and without which a row cannot be told. */
export type LaterIssue =
  | "garbage collection"
  | "strict tags"
  | "policies"
  | "certificates"
  | "placement and write concerns"
  | "eviction and addresses"
  | "versions side by side"
  | "faults of the disk in the simulator"
  | "watchdogs";

export type How =
  | { readonly kind: "story"; readonly story: () => Story }
  /** What is injected is a mistake in the code: see `test/support/deliberate-bugs.ts`. */
  | { readonly kind: "bug"; readonly name: string }
  /** It is about an edge that no simulator runs, or one machine alone: this test holds it. */
  | { readonly kind: "test"; readonly file: string; readonly title: string }
  | { readonly kind: "later"; readonly issue: LaterIssue };

export type Row = {
  readonly row: number;
  readonly injects: string;
  /** Numbers of the invariants in section 8.2. */
  readonly holds: readonly string[];
  readonly how: How;
};

export function story(row: number, injects: string, holds: string, tell: () => Story): Row {
  return { row, injects, holds: holds.split(" "), how: { kind: "story", story: tell } };
}

export function bug(row: number, injects: string, holds: string, name: string): Row {
  return { row, injects, holds: holds.split(" "), how: { kind: "bug", name } };
}

export function tested(row: number, injects: string, holds: string, [file, title]: readonly [string, string]): Row {
  return { row, injects, holds: holds.split(" "), how: { kind: "test", file, title } };
}

export function later(row: number, injects: string, holds: string, issue: LaterIssue): Row {
  return { row, injects, holds: holds.split(" "), how: { kind: "later", issue } };
}
