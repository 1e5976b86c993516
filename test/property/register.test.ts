/** The laws that make every node end with the same register, over histories in which anything may happen in any order. */
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { dotOf, encodeRegister, opOf } from "../../shared/change.ts";
import { EMPTY_REGISTER, isCovered, mergeRegisters, type Register, sameDot, winnerOf } from "../../shared/register.ts";
import { compareDots } from "../../shared/version-vector.ts";
import { type History, history, KEY } from "./arbitraries.ts";

/** A history, and some of the states in it. */
function historyWith(count: number): fc.Arbitrary<readonly [History, readonly Register[]]> {
  return history.chain((one) =>
    fc.tuple(fc.constant(one), fc.array(fc.constantFrom(...one.states), { minLength: count, maxLength: count })),
  );
}

function mergeAll(registers: readonly Register[]): Register {
  return registers.reduce(mergeRegisters, EMPTY_REGISTER);
}

describe("merging the registers of any history", () => {
  test("does not depend on which comes first", () => {
    fc.assert(
      fc.property(historyWith(2), ([, [left = EMPTY_REGISTER, right = EMPTY_REGISTER]]) => {
        expect(mergeRegisters(left, right)).toEqual(mergeRegisters(right, left));
      }),
    );
  });

  test("does not depend on which two are merged first", () => {
    fc.assert(
      fc.property(historyWith(3), ([, [a = EMPTY_REGISTER, b = EMPTY_REGISTER, c = EMPTY_REGISTER]]) => {
        expect(mergeRegisters(mergeRegisters(a, b), c)).toEqual(mergeRegisters(a, mergeRegisters(b, c)));
      }),
    );
  });

  test("changes nothing the second time", () => {
    fc.assert(
      fc.property(historyWith(2), ([, [left = EMPTY_REGISTER, right = EMPTY_REGISTER]]) => {
        const merged = mergeRegisters(left, right);

        expect(mergeRegisters(left, left)).toEqual(left);
        expect(mergeRegisters(merged, right)).toEqual(merged);
        expect(mergeRegisters(EMPTY_REGISTER, left)).toEqual(left);
      }),
    );
  });

  test("gives equal bytes for equal states", () => {
    fc.assert(
      fc.property(historyWith(2), ([, [left = EMPTY_REGISTER, right = EMPTY_REGISTER]]) => {
        expect(encodeRegister(mergeRegisters(left, right))).toEqual(encodeRegister(mergeRegisters(right, left)));
      }),
    );
  });
});

describe("every history", () => {
  test("ends the same on all nodes that know all of it, whatever the order and the repeats of delivery", () => {
    const delivered = history.chain((one) => {
      const ops = one.ops.map((op) => op.register);
      const orders = fc
        .tuple(fc.shuffledSubarray(ops, { minLength: ops.length }), fc.array(fc.nat()))
        .map(([order, repeats]) => [
          ...order,
          ...repeats.flatMap((index) => order[index % Math.max(1, order.length)] ?? []),
        ]);
      return fc.tuple(fc.constant(one), orders);
    });

    fc.assert(
      fc.property(delivered, ([{ nodes }, ops]) => {
        expect(mergeAll(ops)).toEqual(mergeAll(nodes));
      }),
    );
  });

  test("keeps exactly the writes that no other write had seen", () => {
    fc.assert(
      fc.property(history, ({ ops, nodes }) => {
        const isReplaced = (dot: (typeof ops)[number]): boolean =>
          ops.some((other) => other !== dot && isCovered(dotOf(dot), other.register.context));
        const surviving = ops.filter((op) => !isReplaced(op)).flatMap((op) => op.register.versions);

        expect(mergeAll(nodes).versions).toEqual(surviving.toSorted((left, right) => compareDots(left.dot, right.dot)));
      }),
    );
  });

  test("holds at most one live version of each origin, and knows every version it holds", () => {
    fc.assert(
      fc.property(history, ({ states }) => {
        for (const { versions, context } of states) {
          expect(new Set(versions.map(({ dot }) => dot.origin)).size).toBe(versions.length);
          expect(versions.every(({ dot }) => isCovered(dot, context))).toBe(true);
        }
      }),
    );
  });

  test("never brings back a value that a node has seen replaced", () => {
    fc.assert(
      fc.property(historyWith(2), ([, [before = EMPTY_REGISTER, arriving = EMPTY_REGISTER]]) => {
        const after = mergeRegisters(before, arriving);
        const returned = after.versions.filter(
          ({ dot }) => isCovered(dot, before.context) && !before.versions.some((version) => sameDot(version.dot, dot)),
        );

        expect(returned).toEqual([]);
      }),
    );
  });

  test("shows one of its values, which stays shown until something new arrives", () => {
    fc.assert(
      fc.property(history, ({ states }) => {
        for (const state of states) {
          const winner = winnerOf(state);
          const shown = state.versions.filter((version) => version === winner);

          expect(shown.length).toBe(state.versions.length === 0 ? 0 : 1);
          expect(winnerOf({ ...state, versions: state.versions.toReversed() })).toEqual(winner);
          expect(winnerOf(mergeRegisters(state, state))).toEqual(winner);
        }
      }),
    );
  });

  test("shows the latest by clock of what it holds, and never a version that its own author has replaced", () => {
    fc.assert(
      fc.property(history, ({ nodes }) => {
        const register = mergeAll(nodes);
        const latest = register.versions.reduce((highest, { hlc }) => (hlc > highest ? hlc : highest), 0n);

        expect(winnerOf(register)?.hlc ?? 0n).toBe(latest);
      }),
    );
  });

  test("is settled by one write of somebody who has seen all of it, however early his clock", () => {
    fc.assert(
      fc.property(history, ({ ops, nodes }) => {
        const register = mergeAll(nodes);
        const [first] = ops;
        const last = register.versions.at(-1);
        if (first === undefined || last === undefined) return;
        const [template] = first.register.versions;
        if (template === undefined) return;
        const { origin } = last.dot;
        const version = { ...template, dot: { origin, seq: (register.context.get(origin) ?? 0) + 1 } };
        const settled = mergeRegisters(register, opOf(KEY, version, register.context).register);

        expect(settled.versions).toEqual([version]);
      }),
    );
  });
});
