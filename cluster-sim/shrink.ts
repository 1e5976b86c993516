/**
 * Makes a failing story small enough to be understood: it leaves out nodes, faults and requests, and shortens what is
 * left, for as long as the story still breaks the same promise. What it comes to is a local minimum: nothing more can
 * be left out by itself.
 *
 * Lists are halved, then quartered, and so on, until single items are tried. Source: Zeller and Hildebrandt,
 * "Simplifying and Isolating Failure-Inducing Input" (2002), the algorithm ddmin. Every try is a whole run, so the
 * cheapest and largest cuts come first: the end of the story, whole nodes, then the rest.
 */
import type { NodeId } from "../shared/identity.ts";
import type { Finding } from "./checkers/findings.ts";
import type { Fault } from "./faults.ts";
import type { Settings } from "./settings.ts";
import type { Story } from "./story.ts";

/** What came first in a run of the story; `undefined` when nothing did. */
export type Teller = (story: Story) => Promise<{ readonly finding: Finding; readonly atMs: number } | undefined>;

export type Shrunk = {
  readonly story: Story;
  readonly finding: Finding;
  /** Runs that it took. */
  readonly tries: number;
};

export type ShrinkLimits = { readonly triesMax: number };

/** Kept after the moment of the finding, or a run would be cut off while it is being found. */
const AFTERMATH_MS = 500;
const SHORTEST_MS = 50;

/** @returns `undefined` when the story does not fail at all. */
export async function shrink(story: Story, tell: Teller, limits: ShrinkLimits): Promise<Shrunk | undefined> {
  const first = await tell(story);
  if (first === undefined) return undefined;
  const shrinking = new Shrinking(story, first.finding, tell, limits.triesMax);
  await shrinking.endAt(first.atMs);
  for (let before = Number.POSITIVE_INFINITY; sizeOf(shrinking.story) < before; ) {
    before = sizeOf(shrinking.story);
    await shrinking.dropNodes();
    await shrinking.dropFaults();
    await shrinking.dropWork();
    await shrinking.shorten();
    await shrinking.calm();
  }
  return { story: shrinking.story, finding: shrinking.finding, tries: shrinking.tries };
}

class Shrinking {
  story: Story;
  finding: Finding;
  tries = 1;
  readonly #tell: Teller;
  readonly #triesMax: number;

  constructor(story: Story, finding: Finding, tell: Teller, triesMax: number) {
    this.story = story;
    this.finding = finding;
    this.#tell = tell;
    this.#triesMax = triesMax;
  }

  /** What comes after the finding does not belong to the story. */
  async endAt(atMs: number): Promise<void> {
    const { safetyMs } = this.story.settings;
    for (const endMs of [atMs + AFTERMATH_MS, safetyMs / 4, safetyMs / 2]) {
      if (endMs < this.story.settings.safetyMs && (await this.#try(endedAt(this.story, Math.round(endMs))))) return;
    }
  }

  async dropNodes(): Promise<void> {
    for (const { name } of this.story.settings.places) {
      if (this.story.settings.places.length > 1) await this.#try(withoutNode(this.story, name));
    }
  }

  async dropFaults(): Promise<void> {
    await this.#dropItems(this.story.faults, (faults) => ({ ...this.story, faults }));
  }

  async dropWork(): Promise<void> {
    await this.#dropItems(this.story.work, (work) => ({ ...this.story, work }));
  }

  async shorten(): Promise<void> {
    for (let index = 0; index < this.story.faults.length; index += 1) {
      let fault = this.story.faults[index];
      while (fault !== undefined && "forMs" in fault && fault.forMs > SHORTEST_MS) {
        const shorter = { ...fault, forMs: Math.round(fault.forMs / 2) };
        if (!(await this.#try({ ...this.story, faults: this.story.faults.with(index, shorter) }))) break;
        fault = shorter;
      }
    }
  }

  /** One kind of noise after the other. */
  async calm(): Promise<void> {
    const { settings } = this.story;
    const places = settings.places.map((place) => ({ ...place, aheadMs: 0 }));
    const changes: readonly Partial<Settings>[] = [
      { jitterMs: 0 },
      { commitMsMax: 0 },
      { isChopped: false },
      { places },
    ];
    for (const change of changes) {
      const calmer = { ...this.story, settings: { ...this.story.settings, ...change } };
      if (JSON.stringify(calmer) !== JSON.stringify(this.story)) await this.#try(calmer);
    }
  }

  async #dropItems<Item>(items: readonly Item[], storyWith: (items: readonly Item[]) => Story): Promise<void> {
    let left = items;
    let size = Math.ceil(left.length / 2);
    while (size >= 1 && left.length > 0) {
      let hasShrunk = false;
      for (let at = 0; at < left.length; ) {
        const fewer = left.toSpliced(at, size);
        if (await this.#try(storyWith(fewer))) {
          left = fewer;
          hasShrunk = true;
        } else at += size;
      }
      if (size === 1 && !hasShrunk) return;
      size = size === 1 ? 1 : Math.ceil(size / 2);
    }
  }

  /** Whether the smaller story breaks the same promise; then it takes the place of the other. */
  async #try(smaller: Story): Promise<boolean> {
    if (this.tries >= this.#triesMax) return false;
    this.tries += 1;
    const found = await this.#tell(smaller);
    if (found?.finding.invariant !== this.finding.invariant) return false;
    this.story = smaller;
    this.finding = found.finding;
    return true;
  }
}

/** What is left to leave out: items, and how long faults last. */
function sizeOf({ settings, faults, work }: Story): number {
  const lasting = faults.reduce((sum, fault) => sum + ("forMs" in fault ? fault.forMs : 0), 0);
  return settings.places.length + faults.length + work.length + lasting / 1e6;
}

function endedAt(story: Story, safetyMs: number): Story {
  const faults = story.faults
    .filter(({ atMs }) => atMs < safetyMs)
    .map((fault) => ("forMs" in fault ? { ...fault, forMs: Math.min(fault.forMs, safetyMs - fault.atMs) } : fault));
  const work = story.work.filter(({ atMs }) => atMs < safetyMs);
  return { ...story, settings: { ...story.settings, safetyMs }, faults, work };
}

function withoutNode(story: Story, name: NodeId): Story {
  const places = story.settings.places.filter((place) => place.name !== name);
  const faults = story.faults.flatMap((fault) => faultWithout(fault, name));
  const work = story.work.filter(({ node }) => node !== name);
  return { ...story, settings: { ...story.settings, places }, faults, work };
}

function faultWithout(fault: Fault, name: NodeId): readonly Fault[] {
  if ("lines" in fault) {
    const lines = fault.lines.filter((line) => !line.includes(name));
    return lines.length === 0 ? [] : [{ ...fault, lines }];
  }
  if ("pair" in fault) return fault.pair.includes(name) ? [] : [fault];
  return fault.node === name ? [] : [fault];
}
