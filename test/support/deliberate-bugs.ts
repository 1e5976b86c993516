/**
 * Mistakes that somebody could make in the code that keeps the nodes in agreement, each as a small change of one
 * source. The simulator must catch every one; production carries no switch for them. `plant-bug.ts` applies one while
 * a process loads its modules.
 */

export type DeliberateBug = {
  readonly name: string;
  /** Relative to the project. */
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly correct: string;
  readonly wrong: string;
};

const METADATA = "nodes/storage/metadata.ts";
const OP_LOG = "nodes/storage/op-log.ts";
const MERGE = "nodes/storage/merge-change.ts";
const READER = "nodes/storage/metadata-reader.ts";
const REPLICATION = "nodes/protocol/replication.ts";
const REGISTER = "shared/register.ts";

export const DELIBERATE_BUGS: readonly DeliberateBug[] = [
  {
    name: "advance the vector with each live register, not at the session's end (R1)",
    file: OP_LOG,
    correct: "for (const dot of own) vector.add(dot);",
    wrong: "for (const dot of own) vector.advance(dot.origin, dot.seq);",
  },
  {
    name: "send the end of a session before what it vouches for (R1)",
    file: METADATA,
    correct: "    for (const { origin, from, log } of rings) {",
    wrong:
      '    yield { kind: "end", held: VersionVector.from(entries), chains };\n    for (const { origin, from, log } of rings) {',
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
    file: "nodes/storage/turn.ts",
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
];
