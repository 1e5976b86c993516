/**
 * Cut-and-heal cycles on a lab of real processes, with kills, under clients who remember what they were told; and the
 * simulator's oracle and checkers over what came of it. The nodes' own logs, read from their disks once they have
 * stopped, tell the oracle what was written and what each writer had seen; so it is the same judgement, of real bytes.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Findings } from "../../cluster-sim/checkers/findings.ts";
import { type Answered, judgeHistory } from "../../cluster-sim/checkers/history.ts";
import type { Lab, LabNode } from "../../cluster-sim/lab/lab.ts";
import { keyNameOf, Oracle, opInRow } from "../../cluster-sim/oracle.ts";
import { Prng } from "../../cluster-sim/prng.ts";
import { openDataDirectory } from "../../nodes/platform/data-directory.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { SILENT } from "./metadata-fixture.ts";
import { RecordingClient, type Target } from "./recording-client.ts";
import { RegionClient } from "./region-client.ts";

const REPO = "shop/drill";
const TAGS = 4;
const CLIENTS = 4;
const REQUESTS_A_CYCLE = 6;
/** Healed and started nodes agree within this, with room for a busy machine. */
const AGREE_MS_MAX = 20_000;
const POLL_MS = 25;
const LOG_LETTER = "q".charCodeAt(0);

export type DrillOutcome = {
  readonly findings: Findings;
  readonly cycles: number;
  readonly kills: number;
  /** Requests about tags that were answered with success. */
  readonly answered: number;
  readonly ops: number;
  /** From each heal to the same state everywhere, in ms, in rising order. */
  readonly agreedMs: readonly number[];
};

/** Holds `cycles` cycles, stops the lab, and judges. `lab` must keep its data directory. */
export async function holdLabDrill(lab: Lab, cycles: number, seed: number): Promise<DrillOutcome> {
  const findings = new Findings(() => undefined);
  const history: Answered[] = [];
  const prng = new Prng(seed);
  const targets = lab.nodes.map(targetOf);
  const clients = Array.from(
    { length: CLIENTS },
    (_, index) => new RecordingClient(`client ${index}`, history, findings),
  );
  const agreedMs: number[] = [];
  let kills = 0;
  for (let cycle = 0; cycle < cycles && findings.all.length === 0; cycle += 1) {
    const victim = await strike(lab, prng);
    await Promise.all(
      clients.map(async (client, index) => await work(client, targets, prng.branch(`${cycle} ${index}`))),
    );
    if (victim !== undefined) kills += 1;
    await lab.heal();
    await victim?.restart();
    const tookMs = await untilEqual(lab, AGREE_MS_MAX);
    const what = (): string => `cycle ${cycle}: no common state after ${AGREE_MS_MAX} ms`;
    findings.expect(tookMs !== undefined, "I1 convergence", what);
    if (tookMs !== undefined) agreedMs.push(tookMs);
  }

  const shown = await shownEverywhere(lab);
  await lab.stop();
  const oracle = new Oracle();
  for (const { name } of lab.nodes) await learn(oracle, join(lab.dataDirectory, name));
  judgeHistory(history, oracle, findings);
  for (const one of shown) judgeShown(one, oracle, findings);
  return {
    findings,
    cycles: agreedMs.length,
    kills,
    answered: history.length,
    ops: oracle.size,
    agreedMs: agreedMs.toSorted((left, right) => left - right),
  };
}

function targetOf({ name, registry, pid }: LabNode): Target {
  return { name, registry, isUp: () => pid() !== undefined };
}

/** Cuts something; in a third of the cycles somebody is killed as well. @returns who is down. */
async function strike(lab: Lab, prng: Prng): Promise<LabNode | undefined> {
  const [one, other, third] = lab.nodes
    .map((node) => ({ node, place: prng.fraction() }))
    .toSorted((left, right) => left.place - right.place)
    .map(({ node }) => node);
  if (one === undefined || other === undefined || third === undefined) throw new Error("a drill needs three nodes");
  switch (prng.integer(1, 4)) {
    case 1:
      await lab.cut(one.name, other.name);
      await lab.cut(one.name, third.name);
      break;
    case 2:
      await lab.cut(one.name, other.name);
      break;
    case 3:
      await lab.cut(one.name, other.name, { oneWay: true });
      break;
    default:
      await lab.silence(one.name, other.name);
  }
  if (!prng.chance(1 / 3)) return undefined;
  const victim = prng.pick(lab.nodes);
  // In the middle of what clients do, and not before they begin.
  await sleep(prng.integer(0, 50));
  await victim.kill();
  return victim;
}

async function work(client: RecordingClient, targets: readonly Target[], prng: Prng): Promise<void> {
  for (let request = 0; request < REQUESTS_A_CYCLE; request += 1) {
    const target = prng.pick(targets.filter(({ isUp }) => isUp()));
    const tag = `v${prng.integer(1, TAGS)}`;
    switch (prng.integer(1, 6)) {
      case 1:
      case 2:
      case 3:
        await client.push(target, REPO, tag, `image ${prng.integer(1, 1_000)}`);
        break;
      case 4:
        await client.remove(target, REPO, tag);
        break;
      default:
        // What a cut keeps from a node, its reader would wait for in vain, a little while each time.
        await client.read(target, REPO, tag, prng.chance(0.3));
    }
  }
}

/** How long it took until all nodes hold the same; `undefined` when it takes longer than `withinMs`. */
export async function untilEqual(lab: Lab, withinMs: number): Promise<number | undefined> {
  const regions = lab.nodes.map((node) => new RegionClient(node));
  const startedMs = performance.now();
  while (performance.now() - startedMs < withinMs) {
    const hashes = await Promise.all(regions.map(async (region) => await region.stateHash().catch(() => undefined)));
    const [first] = hashes;
    if (first !== undefined && hashes.every((hash) => hash === first)) return performance.now() - startedMs;
    await sleep(POLL_MS);
  }
  return undefined;
}

type Shown = {
  readonly node: string;
  readonly stateHash: string;
  readonly tags: ReadonlyMap<string, string | undefined>;
};

async function shownEverywhere(lab: Lab): Promise<readonly Shown[]> {
  return await Promise.all(
    lab.nodes.map(async (node) => {
      const region = new RegionClient(node);
      const tags = new Map<string, string | undefined>();
      for (let tag = 1; tag <= TAGS; tag += 1) tags.set(`v${tag}`, await region.digestOf(REPO, `v${tag}`));
      return { node: node.name, stateHash: await region.stateHash(), tags };
    }),
  );
}

async function learn(oracle: Oracle, directory: string): Promise<void> {
  const { kv, close } = await openDataDirectory(directory, SILENT);
  try {
    const log = { from: Uint8Array.of(LOG_LETTER), to: Uint8Array.of(LOG_LETTER + 1) };
    for await (const { key, value } of kv.entries(log)) {
      const op = opInRow(key, value);
      if (op !== undefined) oracle.learn(Uint8Array.from(op));
    }
  } finally {
    await close();
  }
}

/** What the node showed at the end is what all ops come to (I1, I2). */
function judgeShown({ node, stateHash, tags }: Shown, oracle: Oracle, findings: Findings): void {
  const expected = oracle.stateHash();
  findings.expect(
    stateHash === expected,
    "I2 strong eventual consistency",
    () => `${node} holds ${stateHash}, and all ops come to ${expected}`,
  );
  for (const [tag, digest] of tags) {
    const key = { kind: "tag", repo: parseRepositoryName(REPO), tag: parseTag(tag) } as const;
    const version = oracle.shown(key);
    const right = version?.value.kind === "tag" ? version.value.digest : undefined;
    const what = (): string => `${node} shows ${digest ?? "nothing"} for ${keyNameOf(key)}, and should show ${right}`;
    findings.expect(digest === right, "I1 convergence", what);
  }
}
