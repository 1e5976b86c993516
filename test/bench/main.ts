/**
 * `make bench`: our node beside other registries, on this machine, now.
 *
 * Each cell begins with a pass that does not count (memory, caches and just-in-time compilers settle), then come the
 * rounds: every contestant once, close together, in an order that turns round every other time. Absolute figures belong to
 * the machine; what is claimed are the ratios inside the rounds. An answer that is no 2xx ends the run, because what
 * fails fast must not count as fast.
 *
 *   CELLS=GET-4K,push   those whose names begin so         ROUNDS=7      SECONDS=0.8  of one measurement
 *   PEERS="zot=http://127.0.0.1:5104"                      servers that run already
 *   COLD_PEERS="zot=http://asked:port,http://source:port"  a server that fetches from another what it lacks
 *   OUT=folder          where results.json, results.txt and the picture go (.cache/bench)
 */

import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { type Cell, chosenCells } from "./cells.ts";
import { chartOf } from "./chart.ts";
import { type ColdPair, pullCold } from "./cold-pull.ts";
import { type Contestant, DOCKER_REGISTRY, OWN, OWN_AGAIN, Paddock, pause, peersOf } from "./contestants.ts";
import { measure, type Sample, type Stock, stockUp } from "./measure.ts";
import { residentMiB } from "./processes.ts";
import { atMost, type CellResult, type Judgement, lineOf, linesOf, medianOf, resultOf } from "./results.ts";

const ROUNDS = Number(process.env["ROUNDS"] ?? 5);
const SECONDS = Number(process.env["SECONDS"] ?? 0.8);
const OUT = process.env["OUT"] ?? ".cache/bench";
const PICTURE = fileURLToPath(new URL("./results.svg", import.meta.url));
const IDLE_MIB_MAX = 110;
const IDLE_MS = 1_500;
const READY_MS_MAX = 300;

async function main(): Promise<void> {
  const cells = chosenCells(process.env["CELLS"] ?? "");
  const folder = await mkdtemp(join(process.env["BENCH_FOLDER"] ?? tmpdir(), "meridian-bench-"));
  const paddock = new Paddock(folder);
  try {
    const starts = process.env["CELLS"] === undefined ? await judgeStart(paddock) : [];
    const warm = cells.filter((cell) => cell.kind !== "cold-pull");
    const results: CellResult[] = [];
    // After every cell: whoever loses patience keeps what has been measured.
    const keep = async (result: CellResult): Promise<void> => {
      results.push(result);
      await write(results, starts);
    };
    await runWarm(warm, paddock, keep);
    await runCold(cells, paddock, keep);
    const judgements = [...starts, ...results.flatMap((result) => result.judgements)];
    say("", ...judgements.map(lineOf), "", `written to ${OUT}`);
    // The README shows the whole table or what it showed before.
    if (process.env["CELLS"] === undefined) await copyFile(join(OUT, "results.svg"), PICTURE);
  } finally {
    await paddock.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Our node alone: how soon it is ready once its sources are compiled, and what it takes while nobody asks. */
async function judgeStart(paddock: Paddock): Promise<readonly Judgement[]> {
  const name = "meridian-start";
  await paddock.stop((await paddock.startNode(name)).pid);
  const readyMs: number[] = [];
  const residents: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const node = await paddock.startNode(name);
    readyMs.push(node.readyMs);
    await pause(IDLE_MS);
    residents.push(await residentMiB(node.pid));
    await paddock.stop(node.pid);
  }
  const starts = [
    atMost("ready ms", medianOf(readyMs), READY_MS_MAX),
    atMost("idle memory MiB", medianOf(residents), IDLE_MIB_MAX),
  ];
  say(...starts.map(lineOf));
  return starts;
}

async function runWarm(
  cells: readonly Exclude<Cell, { readonly kind: "cold-pull" }>[],
  paddock: Paddock,
  keep: (result: CellResult) => Promise<void>,
): Promise<void> {
  if (cells.length === 0) return;
  const contestants = [
    await paddock.startNode(OWN),
    await paddock.startDockerRegistry(DOCKER_REGISTRY),
    ...(await peersOf(process.env["PEERS"] ?? "")),
    await paddock.startNode(OWN_AGAIN),
  ];
  const stocks = new Map<string, Stock>();
  for (const { name, address } of contestants) stocks.set(name, await stockUp(address, cells));

  for (const cell of cells) {
    const once = async (contestant: Contestant): Promise<Sample> => {
      const stock = stocks.get(contestant.name);
      if (stock === undefined) throw new Error(`${contestant.name} has no stock`);
      return await measure(cell, { contestant, stock, durationMs: SECONDS * 1000 });
    };
    await keep(await compare(cell, contestants, once));
  }
}

async function runCold(
  cells: readonly Cell[],
  paddock: Paddock,
  keep: (result: CellResult) => Promise<void>,
): Promise<void> {
  const cold = cells.filter((cell) => cell.kind === "cold-pull");
  if (cold.length === 0) return;
  const pairs = await startPairs(paddock);
  const byName = new Map(pairs.map((pair) => [pair.name, pair]));
  for (const cell of cold) {
    const contestants = pairs.map(({ name, asked }) => ({ ...asked, name }));
    await keep(
      await compare(cell, contestants, async ({ name }) => {
        const pair = byName.get(name);
        if (pair === undefined) throw new Error(`${name} is no pair`);
        return await pullCold(pair, cell.clients, cell.size);
      }),
    );
  }
}

async function startPairs(paddock: Paddock): Promise<readonly ColdPair[]> {
  const source = await paddock.startNode("meridian-source");
  const asked = await paddock.startNode("meridian-asked", [source.peer]);
  const upstream = await paddock.startDockerRegistry("docker-registry-source");
  const url = `http://${upstream.address.host}:${upstream.address.port}`;
  const cache = await paddock.startDockerRegistry("docker-registry-cache", url);
  const given = (process.env["COLD_PEERS"] ?? "").split(/\s+/).filter((word) => word !== "");
  const others = given.map(async (word): Promise<ColdPair> => {
    const [name = "", urls = ""] = word.split("=", 2);
    const [askedUrl = "", sourceUrl = ""] = urls.split(",");
    const [peer] = await peersOf(`${name}=${askedUrl}`);
    if (peer === undefined || !URL.canParse(sourceUrl)) throw new Error(`COLD_PEERS: \`${word}\` names no two servers`);
    const { hostname, port } = new URL(sourceUrl);
    return { name, source: { host: hostname, port: Number(port) }, asked: peer };
  });
  return [
    { name: OWN, source: source.address, asked: { ...asked, name: OWN } },
    { name: DOCKER_REGISTRY, source: upstream.address, asked: cache },
    ...(await Promise.all(others)),
  ];
}

async function compare(
  cell: Cell,
  contestants: readonly Contestant[],
  once: (contestant: Contestant) => Promise<Sample>,
): Promise<CellResult> {
  const samples = new Map<string, Sample[]>(contestants.map(({ name }) => [name, []]));
  for (const contestant of contestants) await once(contestant);
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const contestant of round % 2 === 0 ? contestants : contestants.toReversed()) {
      samples.get(contestant.name)?.push(await once(contestant));
    }
  }
  const result = resultOf(cell, samples);
  say(...linesOf(result));
  return result;
}

async function write(results: readonly CellResult[], starts: readonly Judgement[]): Promise<void> {
  const machine = `${availableParallelism()} × ${cpus()[0]?.model ?? "a processor"}`;
  const about = { at: new Date().toISOString(), machine, node: process.version, rounds: ROUNDS, seconds: SECONDS };
  await mkdir(OUT, { recursive: true });
  await writeFile(join(OUT, "results.json"), `${JSON.stringify({ ...about, starts, results }, undefined, 2)}\n`);
  await writeFile(join(OUT, "results.txt"), `${[...starts.map(lineOf), ...results.flatMap(linesOf)].join("\n")}\n`);
  const subtitle = `${about.at.slice(0, 10)}, ${availableParallelism()} cores shared with the loader, ${ROUNDS} rounds`;
  await writeFile(join(OUT, "results.svg"), chartOf(results, subtitle));
}

function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}

// Whoever stops reading has not asked for the servers to be left behind.
process.stdout.on("error", () => undefined);
await main();
