import { describe, expect, test } from "vitest";
import { PROBE_PERIOD_MS, suspicionMs } from "../../../nodes/protocol/suspicion.ts";
import { INCARNATIONS_RESERVED, Swim, type SwimSelf } from "../../../nodes/protocol/swim.ts";
import type { SwimEffect } from "../../../nodes/protocol/swim-io.ts";
import { parseNodeId } from "../../../shared/identity.ts";
import type { MemberNews } from "../../../shared/member.ts";
import { describedAs, newsOf } from "../../support/members.ts";

const [EU, US, AP, SA] = ["eu-1", "us-1", "ap-1", "sa-1"].map((name) => parseNodeId(name));
const SELF: SwimSelf = {
  node: parseNodeId("eu-1"),
  description: describedAs("eu", { advertise: { registry: "http://eu-1:5000", peer: "eu-1:7000" } }),
  incarnation: 3,
  reservedUpto: 10,
  evictions: 0,
};
const OTHERS = [newsOf("us-1"), newsOf("ap-1")];

/** eu-1 among others; four regions when nobody is named. */
function eu(others: readonly MemberNews[] = [...OTHERS, newsOf("sa-1")], changes: Partial<SwimSelf> = {}): Swim {
  return new Swim({ ...SELF, ...changes }, others, 1, 0);
}

function tell(swim: Swim, nowMs: number, ...news: readonly MemberNews[]): readonly SwimEffect[] {
  return swim.step({ kind: "told", by: parseNodeId("us-1"), news, nowMs });
}

function accusation(node: string, accusers: readonly string[], incarnation = 1): MemberNews {
  const standing = "suspect";
  return newsOf(node, { incarnation, standing, accusers: accusers.map(parseNodeId), description: undefined });
}

function statusOf(swim: Swim, name: string): string | undefined {
  return swim.member(parseNodeId(name))?.status;
}

function probeIn(effects: readonly SwimEffect[]): SwimEffect & { readonly kind: "probe" } {
  const probe = effects.find((effect) => effect.kind === "probe");
  if (probe === undefined) throw new Error("nobody is probed");
  return probe;
}

/** The same, while every probe is answered. */
function wakeUntilAnswered(swim: Swim, endMs: number): void {
  for (let nowMs = 0; nowMs <= endMs; nowMs += 100) {
    for (const effect of swim.step({ kind: "woke", nowMs })) {
      if (effect.kind !== "probe") continue;
      const { probeNumber, target: by } = effect;
      swim.step({ kind: "answered", probeNumber, by, news: [], roundTripMs: 1, nowMs });
    }
  }
}

/** Wakes the machine whenever it asks for it, until `endMs`. */
function wakeUntil(swim: Swim, endMs: number, first: readonly SwimEffect[] = []): readonly SwimEffect[] {
  const all: SwimEffect[] = [];
  let effects = first.length > 0 ? first : swim.step({ kind: "woke", nowMs: 0 });
  let atMs = 0;
  while (true) {
    atMs = effects.findLast((effect) => effect.kind === "wake")?.atMs ?? atMs + PROBE_PERIOD_MS;
    if (atMs > endMs) return all;
    effects = swim.step({ kind: "woke", nowMs: atMs });
    all.push(...effects);
  }
}

describe("probing", () => {
  test("goes round everybody in every round", () => {
    const swim = eu();
    const targets: string[] = [];
    for (let nowMs = 0; targets.length < 30; nowMs += 100) {
      for (const effect of swim.step({ kind: "woke", nowMs })) {
        if (effect.kind !== "probe") continue;
        const { probeNumber, target: by } = effect;
        targets.push(by);
        swim.step({ kind: "answered", probeNumber, by, news: [], roundTripMs: 1, nowMs });
      }
    }

    for (let round = 0; round < 30; round += 3) expect(new Set(targets.slice(round, round + 3)).size).toBe(3);
  });

  test("asks others, each of another region, when the target does not answer, and suspects it when they say no", () => {
    const swim = eu();
    const { probeNumber, target } = probeIn(wakeUntil(swim, PROBE_PERIOD_MS));
    const nowMs = PROBE_PERIOD_MS;

    const asked = swim.step({ kind: "failed", probeNumber, nowMs });
    const helpers = asked.flatMap((effect) => (effect.kind === "help" ? [effect.helper] : []));
    expect(new Set(helpers)).toEqual(new Set([US, AP, SA].filter((node) => node !== target)));

    swim.step({ kind: "helped", probeNumber, isReached: false, nowMs });
    expect(statusOf(swim, target)).toBe("alive");
    swim.step({ kind: "helped", probeNumber, isReached: false, nowMs });
    expect(statusOf(swim, target)).toBe("suspect");
  });

  test("is content when one helper reached the target", () => {
    const swim = eu();
    const { probeNumber, target } = probeIn(wakeUntil(swim, PROBE_PERIOD_MS));
    swim.step({ kind: "failed", probeNumber, nowMs: PROBE_PERIOD_MS });
    swim.step({ kind: "helped", probeNumber, isReached: true, nowMs: PROBE_PERIOD_MS });
    swim.step({ kind: "helped", probeNumber, isReached: false, nowMs: PROBE_PERIOD_MS });

    expect(statusOf(swim, target)).toBe("alive");
  });

  test("a helper that says nothing at all counts against this node, which then waits longer", () => {
    const swim = eu();
    const { timeoutMs } = probeIn(wakeUntil(swim, PROBE_PERIOD_MS));
    wakeUntil(swim, 3 * PROBE_PERIOD_MS, [{ kind: "wake", atMs: PROBE_PERIOD_MS + 1 }]);

    expect(timeoutMs).toBe(PROBE_PERIOD_MS);
    expect(swim.doubt).toBeGreaterThan(0);
  });

  test("begins at once with a node whose link broke", () => {
    const swim = eu();
    swim.step({ kind: "woke", nowMs: 0 });

    expect(probeIn(swim.step({ kind: "lost", node: parseNodeId("ap-1"), nowMs: 5 })).target).toBe(AP);
  });
});

describe("suspicion", () => {
  test("takes the longer the fewer accuse, and the more members there are", () => {
    expect([1, 2, 3].map((accusers) => Math.round(suspicionMs(10, accusers)))).toEqual([48_000, 22_763, 8_000]);
    expect([3, 10, 100, 300].map((members) => Math.round(suspicionMs(members, 3)))).toEqual([
      8_000, 8_000, 16_000, 19_817,
    ]);
    expect(suspicionMs(3, 1)).toBe(8_000);
  });

  test("ends in death when accusers from two regions have it so", () => {
    const swim = eu();
    tell(swim, 0, accusation("sa-1", ["us-1", "ap-1", "eu-1"]));
    wakeUntil(swim, suspicionMs(4, 3) + 1);

    expect(statusOf(swim, "sa-1")).toBe("dead");
  });

  test("of one region alone never does, in a cluster of three: it may be that region that is cut off", () => {
    const swim = eu([...OTHERS, newsOf("us-2"), newsOf("us-3")]);
    tell(swim, 0, accusation("ap-1", ["us-1", "us-2", "us-3"]));
    wakeUntilAnswered(swim, 600_000);
    expect(statusOf(swim, "ap-1")).toBe("suspect");

    tell(swim, 600_000, accusation("ap-1", ["eu-1"]));
    expect(statusOf(swim, "ap-1")).toBe("dead");
  });

  test("of nobody who is known counts for nothing", () => {
    const swim = eu();
    tell(swim, 0, accusation("ap-1", ["us-1", "xx-1", "yy-1"]));
    wakeUntilAnswered(swim, 600_000);

    expect(statusOf(swim, "ap-1")).toBe("suspect");
  });

  test("is over when the suspect says that it lives, and the old accusation is answered with that", () => {
    const swim = eu();
    tell(swim, 0, accusation("ap-1", ["us-1"]));
    tell(swim, 1, newsOf("ap-1", { incarnation: 2 }));
    expect(statusOf(swim, "ap-1")).toBe("alive");

    const effects = tell(swim, 2, accusation("ap-1", ["us-1"]));
    expect(statusOf(swim, "ap-1")).toBe("alive");
    expect(effects).toContainEqual({ kind: "tell", target: US, news: [newsOf("ap-1", { incarnation: 2 })] });
  });

  test("is not shortened by a pause of this node", () => {
    const swim = eu();
    tell(swim, 0, accusation("sa-1", ["us-1", "ap-1", "eu-1"]));
    swim.step({ kind: "woke", nowMs: 100_000 });
    expect(statusOf(swim, "sa-1")).toBe("suspect");

    wakeUntil(swim, 100_000 + PROBE_PERIOD_MS + suspicionMs(4, 3), [{ kind: "wake", atMs: 100_001 }]);
    expect(statusOf(swim, "sa-1")).toBe("dead");
  });

  test("goes to the suspect itself, with the probe that reaches it", () => {
    const swim = eu([newsOf("us-1")]);
    tell(swim, 0, accusation("us-1", ["eu-1"]));

    const probe = probeIn(wakeUntil(swim, PROBE_PERIOD_MS));
    expect(probe.news).toContainEqual(accusation("us-1", ["eu-1"]));
  });
});

describe("what another node says of this one", () => {
  test("is refuted by a higher incarnation, told at once", () => {
    const swim = eu();
    const effects = tell(
      swim,
      0,
      newsOf("eu-1", { incarnation: 5, standing: "dead", accusers: OTHERS.map(({ node }) => node) }),
    );

    const told = effects.flatMap((effect) => (effect.kind === "tell" ? effect.news : []));
    expect(told.map(({ node, incarnation, standing }) => [node, incarnation, standing])).toContainEqual([
      EU,
      6,
      "alive",
    ]);
  });

  test("is not refuted beyond what is reserved before more is", () => {
    const swim = eu();
    const effects = tell(
      swim,
      0,
      newsOf("eu-1", { incarnation: 10, standing: "suspect", accusers: OTHERS.map(({ node }) => node) }),
    );
    expect(effects.filter(({ kind }) => kind === "reserve")).toEqual([
      { kind: "reserve", upto: 11 + INCARNATIONS_RESERVED },
    ]);
    expect(swim.members()[0]?.incarnation).toBe(3);

    swim.step({ kind: "reserved", upto: 11 + INCARNATIONS_RESERVED, nowMs: 1 });
    expect(swim.members()[0]?.incarnation).toBe(11);
  });

  test("is of a former life when it has another nonce: this one goes beyond it", () => {
    const swim = eu();
    tell(swim, 0, newsOf("eu-1", { incarnation: 7, description: describedAs("eu", { nonce: "00000000000000ff" }) }));

    expect(swim.members()[0]?.incarnation).toBe(8);
  });
});

describe("members", () => {
  test("that are new are told on, and a node of a higher incarnation may have moved", () => {
    const swim = eu([]);
    expect(tell(swim, 0, newsOf("us-1"))).toContainEqual({ kind: "changed", node: US, from: undefined });

    const moved = describedAs("us", { advertise: { registry: "http://x:1", peer: "elsewhere:7000" } });
    tell(swim, 1, newsOf("us-1", { description: moved }));
    expect(swim.member(parseNodeId("us-1"))?.description.advertise.peer).toBe("us-1:7000");
    tell(swim, 2, newsOf("us-1", { incarnation: 2, description: moved }));
    expect(swim.member(parseNodeId("us-1"))?.description.advertise.peer).toBe("elsewhere:7000");
  });

  test("that left are neither probed nor suspected, until they come back", () => {
    const swim = eu([newsOf("us-1")]);
    tell(swim, 0, newsOf("us-1", { standing: "left" }));
    expect(wakeUntil(swim, 60_000).filter(({ kind }) => kind === "probe")).toEqual([]);
    expect(statusOf(swim, "us-1")).toBe("left");

    tell(swim, 60_000, newsOf("us-1", { incarnation: 2 }));
    expect(statusOf(swim, "us-1")).toBe("alive");
  });

  test("that are evicted stay so whatever they say, until they are admitted", () => {
    const swim = eu();
    const [ap, us] = [parseNodeId("ap-1"), parseNodeId("us-1")];
    swim.step({ kind: "decided", node: ap, isEvicted: true, nowMs: 0 });
    tell(swim, 1, newsOf("ap-1", { incarnation: 9 }));
    expect(statusOf(swim, "ap-1")).toBe("evicted");
    const answer = swim
      .step({ kind: "asked", callNumber: 1, by: ap, news: [], nowMs: 2 })
      .find(({ kind }) => kind === "reply");
    expect(answer).toMatchObject({ news: [{ node: ap, evictions: 1 }] });

    swim.step({ kind: "decided", node: ap, isEvicted: false, nowMs: 3 });
    expect(statusOf(swim, "ap-1")).toBe("alive");
    expect(swim.newsOf(ap)?.evictions).toBe(2);
    expect(swim.newsOf(us)?.evictions).toBe(0);
  });

  test("that a list has for dead are only suspect here: the list may be old", () => {
    const swim = eu();
    const dead = newsOf("ap-1", { standing: "dead", accusers: ["us-1", "sa-1"].map(parseNodeId) });
    swim.step({ kind: "compared", by: parseNodeId("us-1"), news: [dead], nowMs: 0 });

    expect(statusOf(swim, "ap-1")).toBe("suspect");
  });

  test("are compared with whoever is met first, and what the other lacks is told", () => {
    const swim = eu(OTHERS);
    const us = parseNodeId("us-1");
    const met = swim.step({ kind: "met", node: us, origin: describedAs("us").origin, boot: 1, nowMs: 0 });
    expect(met.filter(({ kind }) => kind === "compare")).toMatchObject([{ target: us, digest: swim.digest() }]);

    const effects = swim.step({ kind: "compared", by: us, news: [newsOf("us-1")], nowMs: 1 });
    const told = effects.flatMap((effect) => (effect.kind === "tell" ? effect.news : []));
    expect(new Set(told.map(({ node }) => node))).toEqual(new Set([EU, AP]));
  });

  test("have equal digests on two nodes that know the same", () => {
    const other = new Swim(
      { ...SELF, node: parseNodeId("us-1"), description: describedAs("us"), incarnation: 1 },
      [],
      2,
      0,
    );
    other.step({ kind: "compared", by: SELF.node, news: eu(OTHERS).everything(), nowMs: 0 });

    expect(other.digest()).toEqual(eu(OTHERS).digest());
  });
});
