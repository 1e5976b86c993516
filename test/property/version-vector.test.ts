/** A version vector is a set of dots, told compactly: every law is checked against the plain set. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import type { Origin } from "../../shared/identity.ts";
import { decodeVersionVector, encodeVersionVector, VersionVector } from "../../shared/version-vector.ts";
import { ORIGINS, type VectorStep, vectorEntries, vectorStep } from "./arbitraries.ts";

const SEQ_MAX = 22;

const steps = fc.array(vectorStep, { maxLength: 25 });
const vector = vectorEntries.map((entries) => VersionVector.from(entries));

function numbers(from: number, to: number): readonly number[] {
  return Array.from({ length: Math.max(0, to - from + 1) }, (_, index) => from + index);
}

function dotsAddedBy(step: VectorStep): readonly number[] {
  switch (step.kind) {
    case "add":
      return [step.seq];
    case "range":
      return numbers(step.range.from, step.range.to);
    case "advance":
      return numbers(1, step.upto);
  }
}

function apply(to: VersionVector, step: VectorStep): void {
  switch (step.kind) {
    case "add":
      to.add({ origin: step.origin, seq: step.seq });
      return;
    case "range":
      to.addRange(step.origin, step.range);
      return;
    case "advance":
      to.advance(step.origin, step.upto);
  }
}

/** Every dot of `held`, as `origin:seq`. */
function dotsOf(held: VersionVector): ReadonlySet<string> {
  return new Set(
    ORIGINS.flatMap((origin) =>
      numbers(1, SEQ_MAX)
        .filter((seq) => held.includes({ origin, seq }))
        .map((seq) => `${origin}:${seq}`),
    ),
  );
}

function headOf(dots: ReadonlySet<string>, origin: Origin): number {
  return numbers(1, SEQ_MAX).find((seq) => !dots.has(`${origin}:${seq}`)) ?? SEQ_MAX + 1;
}

function merged(left: VersionVector, right: VersionVector): VersionVector {
  const result = left.clone();
  result.merge(right);
  return result;
}

describe("a version vector", () => {
  test("holds exactly the dots that were put in, and knows where the first is missing", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const held = new VersionVector();
        const dots = new Set<string>();
        for (const step of all) {
          apply(held, step);
          for (const seq of dotsAddedBy(step)) dots.add(`${step.origin}:${seq}`);
        }

        expect(dotsOf(held)).toEqual(dots);
        for (const origin of ORIGINS) expect(held.upto(origin)).toBe(headOf(dots, origin) - 1);
      }),
    );
  });

  test("has one form for one set of dots, whatever order they came in", () => {
    fc.assert(
      fc.property(
        steps.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))),
        ([all, shuffled]) => {
          const [one, other] = [new VersionVector(), new VersionVector()];
          for (const step of all) apply(one, step);
          for (const step of shuffled) apply(other, step);

          expect(one.entries()).toEqual(other.entries());
          expect(one.equals(other)).toBe(true);
        },
      ),
    );
  });

  test("keeps its ranges apart, in order, and away from its head", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const held = new VersionVector();
        for (const step of all) apply(held, step);

        for (const { upto, beyond } of held.entries()) {
          let end = upto;
          for (const { from, to } of beyond) {
            expect(from).toBeGreaterThan(end + 1);
            expect(to).toBeGreaterThanOrEqual(from);
            end = to;
          }
        }
      }),
    );
  });

  test("covers another exactly when it holds all of its dots", () => {
    fc.assert(
      fc.property(vector, vector, (left, right) => {
        expect(left.covers(right)).toBe(dotsOf(right).isSubsetOf(dotsOf(left)));
      }),
    );
  });
});

describe("covering is a partial order", () => {
  test("of which every vector covers itself and nothing is covered by all", () => {
    fc.assert(
      fc.property(vector, (one) => {
        expect(one.covers(one)).toBe(true);
        expect(one.covers(new VersionVector())).toBe(true);
      }),
    );
  });

  test("in which two that cover each other are equal", () => {
    fc.assert(
      fc.property(vector, vector, (left, right) => {
        expect(left.covers(right) && right.covers(left)).toBe(left.equals(right));
        expect(left.equals(right)).toBe(JSON.stringify(left.entries()) === JSON.stringify(right.entries()));
      }),
    );
  });

  test("that is transitive", () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        const [middle, top] = [merged(a, b), merged(merged(a, b), c)];

        expect([top.covers(middle), middle.covers(a), top.covers(a)]).toEqual([true, true, true]);
        expect(!(a.covers(b) && b.covers(c)) || a.covers(c)).toBe(true);
      }),
    );
  });
});

describe("merging", () => {
  test("gives the least vector that covers both", () => {
    fc.assert(
      fc.property(vector, vector, vector, (left, right, other) => {
        const both = merged(left, right);

        expect(dotsOf(both)).toEqual(dotsOf(left).union(dotsOf(right)));
        expect(both.covers(left) && both.covers(right)).toBe(true);
        expect(!(other.covers(left) && other.covers(right)) || other.covers(both)).toBe(true);
      }),
    );
  });

  test("does not depend on order, and changes nothing the second time", () => {
    fc.assert(
      fc.property(vector, vector, vector, (a, b, c) => {
        expect(merged(a, b).entries()).toEqual(merged(b, a).entries());
        expect(merged(merged(a, b), c).entries()).toEqual(merged(a, merged(b, c)).entries());
        expect(merged(a, a).entries()).toEqual(a.entries());
      }),
    );
  });
});

test("a version vector reads back from its bytes", () => {
  fc.assert(
    fc.property(vector, (one) => {
      expect(decodeVersionVector(encodeVersionVector(one)).entries()).toEqual(one.entries());
    }),
  );
});
