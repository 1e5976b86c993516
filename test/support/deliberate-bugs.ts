/**
 * Mistakes that somebody could make in the code that keeps the nodes in agreement, each as a small change of one
 * source. The simulator must catch every one; production carries no switch for them. `plant-bug.ts` applies one while
 * a process loads its modules.
 */
import type { Scenario } from "../../cluster-sim/settings.ts";

export type SourceChange = {
  /** Relative to the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly correct: string;
  readonly wrong: string;
};

export type DeliberateBug = SourceChange & {
  readonly name: string;
  /** Further changes, where several lines of defence hold the same promise and all have to fall. */
  readonly also?: readonly SourceChange[];
  /** What the simulator plays to find it, where a swarm of any faults would take long. */
  readonly scenario?: Scenario | `story-${number}`;
};

const METADATA = "nodes/storage/metadata.ts";
const OP_LOG = "nodes/storage/op-log.ts";
const MERGE = "nodes/storage/merge-change.ts";
const READER = "nodes/storage/metadata-reader.ts";
const REPLICATION = "nodes/protocol/replication.ts";
const REGISTER = "shared/register.ts";
const PUBLISH = "nodes/cluster/publish.ts";
const AWAIT_VERSION = "nodes/registry/await-version.ts";
const TRANSFER = "nodes/cluster/blob-transfer.ts";
const BLOB_FETCH = "nodes/protocol/blob-fetch.ts";
const GROWING = "nodes/cluster/growing-blob.ts";
const TURN = "nodes/storage/turn.ts";
const BLOBS = "nodes/storage/blobs.ts";

export const DELIBERATE_BUGS: readonly DeliberateBug[] = [
  {
    name: "stamp writes with a clock that is known to be wrong",
    file: "nodes/protocol/clock-watch.ts",
    correct: "const isWrong = Math.abs(aheadMs) > CLOCK_OFFSET_REFUSED_MS;",
    wrong: "const isWrong = Math.abs(aheadMs) > 1e9 * CLOCK_OFFSET_REFUSED_MS;",
    scenario: "clocks",
  },
  {
    name: "send the end of a session before what it vouches for (R1)",
    file: METADATA,
    correct: "    for (const { origin, from, base, log } of rings) {",
    wrong:
      '    yield { kind: "end", held: VersionVector.from(entries), chains };\n    for (const { origin, from, base, log } of rings) {',
  },
  {
    name: "keep a version that a known context covers (R4)",
    file: REGISTER,
    correct: "return holds(other, version.dot) || !isCovered(version.dot, other.context);",
    wrong: "return true;",
  },
  {
    name: "acknowledge before the batch is durable",
    file: METADATA,
    correct: "if (!batch.isEmpty) news = await this.#commitRows(batch);",
    wrong:
      "for (const { answer } of decided) answer();\n      if (!batch.isEmpty) news = await this.#commitRows(batch);",
  },
  {
    name: "choose the winner by origin and not by clock",
    file: REGISTER,
    correct: "if (left.hlc !== right.hlc) return left.hlc > right.hlc;",
    wrong: "",
  },
  {
    name: "let the clock follow the wall",
    file: TURN,
    correct: "const hlc = nextHlc(last > clockFloor ? last : clockFloor, wallMs);",
    wrong: "const hlc = nextHlc(hlcOf(0n), wallMs + Number(last > clockFloor) * 0);",
  },
  {
    name: "show a tag before its manifest is here",
    file: MERGE,
    correct: "if (await this.#counts(repo, version)) return version;",
    wrong: "return version;",
  },
  {
    name: "call an index complete before its children are here",
    file: MERGE,
    correct: "      hasAll = false;\n",
    wrong: "",
  },
  {
    name: "lose those who wait for a manifest's bytes",
    file: MERGE,
    correct: "if (isLinked) this.#rows.put(row, new Uint8Array());",
    wrong: "if (isLinked) this.#rows.delete(row);",
  },
  {
    name: "show an older sibling of a delete that has won",
    file: MERGE,
    correct: 'if (version.value.kind !== "tag") return undefined;',
    wrong: 'if (version.value.kind !== "tag") continue;',
  },
  {
    name: "leave a settled conflict on the list",
    file: MERGE,
    correct: "else if (wasDisputed) this.#rows.delete(keys.conflictRow(repo, tag));",
    wrong: "",
  },
  {
    name: "count a tag each time it is written",
    file: MERGE,
    correct: "const more = (visible === undefined ? 0 : 1) - (before.visible === undefined ? 0 : 1);",
    wrong: "const more = visible === undefined ? 0 : 1;",
  },
  {
    name: "ignore that a blob was removed",
    file: READER,
    correct: 'if (mark?.value.kind === "removed") return false;',
    wrong: "",
  },
  {
    name: "never pull what a stream does not bring",
    file: REPLICATION,
    correct: "      ...this.#pullWhatIsMissing(input.nowMs),\n",
    wrong: "",
  },
  {
    name: "end a session with what is held then, not when it began",
    file: METADATA,
    correct: 'yield { kind: "end", held: VersionVector.from(entries), chains };',
    wrong: 'yield { kind: "end", held: this.#held.clone(), chains };',
    scenario: "crashes",
  },
  {
    name: "answer from the log what the log has already dropped",
    file: METADATA,
    correct: "const isInRing = row.logFrom <= from && row.beyond.length === 0;",
    wrong: "const isInRing = row.beyond.length === 0;",
  },
  {
    name: "send before the batch is synced",
    file: METADATA,
    correct: "    await this.#kv.commit(batch.sealedWrites());\n",
    wrong: [
      "    const early = [];",
      "    for (const origin of this.#touched) early.push({ origin, ...(await readOrigin(batch, origin)) });",
      "    this.#held.merge(VersionVector.from(early));",
      "    this.#early = batch;",
      "    for (const listener of this.#listeners) listener(VersionVector.from(early));",
      "    await this.#kv.commit(batch.sealedWrites());",
      "    this.#early = undefined;",
      "",
    ].join("\n"),
    also: [
      { file: METADATA, correct: "  #fence: Error | undefined;\n", wrong: "  #fence;\n  #early;\n" },
      {
        file: METADATA,
        correct: "readBatch(this.#stored, origin, seq)",
        wrong: "readBatch(this.#early ?? this.#stored, origin, seq)",
      },
    ],
  },
  {
    name: "absorb a remote clock, however far ahead",
    file: "shared/hlc.ts",
    correct: "if (remote <= last || wallMsOf(remote) > wallMs + aheadMsMax) return last;",
    wrong: "if (remote <= last) return last;",
    scenario: "clocks",
  },
  {
    name: "say a boot counter that is not durable yet",
    file: METADATA,
    correct: "    await deps.kv.commit(rows.sealedWrites());\n",
    wrong: "    void deps.kv.commit(rows.sealedWrites());\n",
  },
  {
    name: "start twice with one boot counter",
    file: METADATA,
    correct: "boot: (last?.boot ?? 0) + 1",
    wrong: "boot: Math.max(1, last?.boot ?? 0)",
    scenario: "crashes",
  },
  {
    name: "drop a sibling",
    file: REGISTER,
    correct: "return { versions: kept.toSorted(byDot),",
    wrong: "return { versions: kept.toSorted(byDot).slice(-1),",
  },
  {
    name: "truncate a context to its newest origins",
    file: REGISTER,
    correct: "  return joined;\n",
    wrong: "  return new Map([...joined].slice(-2));\n",
  },
  {
    name: "forget what a delete has seen",
    file: TURN,
    correct: "encodeChange(opOf(key, at(next), seen.context, travelling)));",
    wrong: 'encodeChange(opOf(key, at(next), value.kind === "removed" ? new Map() : seen.context, travelling)));',
    also: [
      {
        file: TURN,
        correct: "await merge.run({ ...opOf(key, at(dot), seen.context), content });",
        wrong:
          'await merge.run({ ...opOf(key, at(dot), value.kind === "removed" ? new Map() : seen.context), content });',
      },
    ],
  },
  {
    name: "write over nothing but the winner",
    file: TURN,
    correct: "const seen = await this.register(key);",
    wrong:
      "const all = await this.register(key);\n    const best = winnerOf(all);\n    const seen = best === undefined ? all : { versions: [best], context: new Map([[best.dot.origin, best.dot.seq]]) };",
  },
  {
    name: "apply past a gap",
    file: OP_LOG,
    correct:
      "    const row = await readOrigin(this.#rows, origin);\n    const taken: Op[] = [];\n    if (batch.from > row.upto + 1) return taken;\n",
    wrong:
      "    const row = { ...(await readOrigin(this.#rows, origin)) };\n    const taken: Op[] = [];\n    if (batch.from > row.upto + 1) row.upto = batch.from - 1;\n",
    also: [
      { file: OP_LOG, correct: "    await this.#checkChain(batch);\n", wrong: "" },
      { file: REPLICATION, correct: "    if (from > upto + 1) {\n", wrong: "    if (from < 1) {\n" },
      {
        file: PUBLISH,
        correct: "held.upto(wanted) + 1));",
        wrong: "held.upto(wanted) + 2));",
      },
    ],
  },
  {
    name: "skip the check of the chain",
    file: OP_LOG,
    correct: "if (own.length > 0 && Buffer.compare(own, chain) !== 0) {",
    wrong: "if (own.length > 1_000) {",
    scenario: "twists",
  },
  {
    name: "keep what a refused turn has written",
    file: METADATA,
    correct: "const rows = new Overlay(batch);\n      try {",
    wrong: "const rows = batch;\n      try {",
    also: [{ file: METADATA, correct: "        batch.absorb(rows);\n", wrong: "" }],
    scenario: "twists",
  },
  {
    name: "name a blob before its bytes are durable",
    file: BLOBS,
    correct:
      "      await this.#makeDurable(staging, digest);\n      await this.#trustWritten(digest, size);\n      const wasLost = this.#lost.has(digest);\n      await this.#deps.metadata.record(actor, async (turn) => {\n        turn.storeBlob(digest, size);\n        if (wasLost) turn.forgetLostBlob(digest);\n        await decide(turn);\n      });\n",
    wrong:
      "      const wasLost = this.#lost.has(digest);\n      await this.#deps.metadata.record(actor, async (turn) => {\n        turn.storeBlob(digest, size);\n        if (wasLost) turn.forgetLostBlob(digest);\n        await decide(turn);\n      });\n      await this.#makeDurable(staging, digest);\n",
    scenario: "crashes",
  },
  {
    name: "lose the history of a tag that is written over",
    file: MERGE,
    correct: "    for (const version of arrived.versions) {\n",
    wrong: "    for (const version of before.versions.length > 0 ? [] : arrived.versions) {\n",
  },
  {
    name: "go on showing tags of a manifest that was deleted",
    file: MERGE,
    correct: "    else await this.#stopCounting(repo, digest);\n",
    wrong: "",
    scenario: "deletes",
  },
  {
    name: "trust a short blob",
    file: BLOB_FETCH,
    correct: 'if (this.#received !== this.#size) return this.#exclude(node, "too-short", nowMs);',
    wrong: "",
    also: [
      {
        file: TRANSFER,
        correct: "isRight: actual === this.#digest }",
        wrong: "isRight: actual !== undefined }",
      },
      {
        file: BLOBS,
        correct: "(await staging.digest(algorithmOf(digest))) === digest",
        wrong: "staging.size() >= 0 || algorithmOf(digest) === undefined",
      },
    ],
    scenario: "story-76",
  },
  {
    name: "serve bytes before they are verified",
    file: GROWING,
    correct: "Math.min(this.#readable, span.end - HELD_BACK_BYTES) : at;",
    wrong: "Math.min(this.#readable, span.end) : at;",
    also: [{ file: GROWING, correct: "    while (true) {\n", wrong: "    while (at < span.end) {\n" }],
    scenario: "story-76",
  },
  {
    name: "keep bytes that are not what their digest says",
    file: TRANSFER,
    correct: "isRight: actual === this.#digest }",
    wrong: "isRight: actual !== undefined }",
    also: [
      {
        file: BLOBS,
        correct: "(await staging.digest(algorithmOf(digest))) === digest",
        wrong: "staging.size() >= 0 || algorithmOf(digest) === undefined",
      },
    ],
    scenario: "story-76",
  },
  {
    name: "keep a large manifest without a look at its bytes",
    file: "nodes/cluster/fetch-content.ts",
    correct: "if (digestOf(bytes, algorithmOf(digest)) !== digest) {",
    wrong: "if (digestOf(bytes, algorithmOf(digest)) === undefined) {",
    also: [
      {
        file: MERGE,
        correct: "if (digestOf(bytes, algorithmOf(digest)) !== digest) throw",
        wrong: "if (digestOf(bytes, algorithmOf(digest)) === undefined) throw",
      },
    ],
    scenario: "story-76",
  },
  {
    name: "answer a read without waiting for what its client has seen",
    file: AWAIT_VERSION,
    correct: "    if (await isHere()) return;\n",
    wrong: "    if (dots.length > 0 || (await isHere())) return;\n",
    scenario: "story-60",
  },
  {
    name: "let a read wait for the op alone, and not for the manifest behind it",
    file: AWAIT_VERSION,
    correct: "tag === undefined || !(await metadata.reader.isBehind(tag.repo, tag.tag))",
    wrong: "tag === undefined || tag.tag.length > 0",
    scenario: "story-61",
  },
  {
    name: "forget the dots beyond the head (R2)",
    file: OP_LOG,
    correct: "for (const dot of own) vector.add(dot);",
    wrong: "for (const dot of own) if (dot.seq === row.upto + 1) vector.add(dot);",
    scenario: "story-68",
  },
  {
    name: "advance the vector with each live register, not at the session's end (R1)",
    file: OP_LOG,
    correct: "for (const dot of own) vector.add(dot);",
    wrong: "for (const dot of own) vector.advance(dot.origin, dot.seq);",
    scenario: "story-44",
  },
];
