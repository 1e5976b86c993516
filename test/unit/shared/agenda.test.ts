import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { Agenda } from "../../../shared/agenda.ts";

function drain(agenda: Agenda<string>): string[] {
  const items: string[] = [];
  for (let entry = agenda.first; entry !== undefined; entry = agenda.first) {
    items.push(entry.item);
    agenda.remove(entry);
  }
  return items;
}

describe("an agenda", () => {
  test("comes in the order of what is due, and of two due at once in the order they were added", () => {
    const agenda = new Agenda<string>();
    for (const [dueMs, item] of [
      [5, "a"],
      [3, "b"],
      [5, "c"],
      [3, "d"],
      [-1, "e"],
    ] as const) {
      agenda.add(dueMs, item);
    }

    expect(drain(agenda)).toEqual(["e", "b", "d", "a", "c"]);
  });

  test("loses exactly what is removed, once", () => {
    const agenda = new Agenda<string>();
    const kept = agenda.add(1, "kept");
    const removed = agenda.add(1, "removed");

    expect([agenda.remove(removed), agenda.remove(removed)]).toEqual([true, false]);
    expect(agenda.size).toBe(1);
    expect(agenda.first).toBe(kept);
  });

  test("takes no entry that is never due, or at no moment", () => {
    for (const dueMs of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(() => new Agenda<string>().add(dueMs, "x")).toThrow("due at a moment");
    }
  });

  test("holds what a stably sorted list holds after the same steps", () => {
    const step = fc.oneof(
      fc.record({ kind: fc.constant("add" as const), dueMs: fc.integer({ min: 0, max: 9 }) }),
      fc.record({ kind: fc.constant("remove" as const), index: fc.nat(20) }),
    );

    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const agenda = new Agenda<string>();
        const entries: { readonly dueMs: number; readonly order: number; readonly item: string }[] = [];
        for (const [index, each] of steps.entries()) {
          if (each.kind === "add") {
            entries.push(agenda.add(each.dueMs, `item ${index}`));
          } else {
            const [entry] = entries.splice(each.index, 1);
            if (entry !== undefined) expect(agenda.remove(entry)).toBe(true);
          }
        }

        const sorted = entries.toSorted((left, right) => left.dueMs - right.dueMs);
        expect(drain(agenda)).toEqual(sorted.map(({ item }) => item));
      }),
    );
  });
});
