/**
 * Answers that were worked out from rows, kept until one of those rows changes.
 *
 * What makes caches in front of registries wrong is that somebody has to remember what to drop: a tag that moved, a
 * blob that was taken from one repository and not from another (CVE-2026-35172 was such a cache). Here nobody does. An
 * answer is worked out over a view that notes every row and every range it was asked for, and the single writer names the
 * rows of each batch before anybody hears of it; whatever was made of one of them is gone by then. That something is absent
 * is a row like any other, so an answer that depends on it is dropped when it appears. No answer at all is never kept.
 */
import { BoundedCache } from "../../shared/bounded-cache.ts";
import type { Key, KeySpan } from "./keys.ts";
import { MetadataReader } from "./metadata-reader.ts";
import { groupOf, type Row, type RowsOptions, type View, type Written } from "./view.ts";

/** Where rows come from, and how one hears that they changed. */
export type RowSource = {
  readonly view: View;
  /** Calls `listener` with every batch when it is durable, before anybody else hears of it. */
  readonly onWritten: (listener: (rows: Written) => void) => void;
};

export type RememberedOptions<Answer> = {
  /** Of all answers together. */
  readonly bytesMax: number;
  readonly bytesOf: (answer: Answer) => number;
};

type Kept<Answer> = { readonly answer: Answer; readonly basis: Basis };

/** What an answer with its bookkeeping takes besides its bytes, roughly. */
const ENTRY_BYTES = 1_024;

export class Remembered<Answer> {
  readonly #view: View;
  readonly #options: RememberedOptions<Answer>;
  readonly #answers: BoundedCache<Kept<Answer>>;
  readonly #underWay = new Set<Basis>();
  readonly #byRow = new Map<string, Set<string>>();
  readonly #byGroup = new Map<string, Set<string>>();

  constructor(source: RowSource, options: RememberedOptions<Answer>) {
    this.#view = source.view;
    this.#options = options;
    this.#answers = new BoundedCache(options.bytesMax, (name, { basis }) => this.#dropped(name, basis));
    source.onWritten((rows) => this.#written(rows));
  }

  /** The answer of that name, when it is at hand. */
  peek(name: string): Answer | undefined {
    return this.#answers.get(name)?.answer;
  }

  /** The answer at hand, or what `workOut` makes of the rows: of these alone, and of what `name` says. */
  async get(
    name: string,
    workOut: (reader: MetadataReader) => Promise<Answer | undefined>,
  ): Promise<Answer | undefined> {
    const kept = this.peek(name);
    if (kept !== undefined) return kept;

    const basis = new Basis(this.#view);
    this.#underWay.add(basis);
    try {
      const answer = await workOut(new MetadataReader(basis));
      if (answer !== undefined && basis.isSound) this.#keep(name, answer, basis);
      return answer;
    } finally {
      this.#underWay.delete(basis);
    }
  }

  #keep(name: string, answer: Answer, basis: Basis): void {
    const bytes = ENTRY_BYTES + name.length + this.#options.bytesOf(answer);
    if (!this.#answers.set(name, { answer, basis }, bytes)) return;
    for (const row of basis.rowNames) addTo(this.#byRow, row, name);
    for (const group of basis.groups) addTo(this.#byGroup, group, name);
  }

  #written(rows: Written): void {
    for (const [row] of rows) {
      const group = groupOf(row);
      for (const basis of this.#underWay) basis.changed(row, group);
      for (const name of this.#byRow.get(row) ?? []) this.#answers.delete(name);
      if (group === undefined) continue;
      for (const name of this.#byGroup.get(group) ?? []) this.#answers.delete(name);
    }
  }

  #dropped(name: string, basis: Basis): void {
    for (const row of basis.rowNames) removeFrom(this.#byRow, row, name);
    for (const group of basis.groups) removeFrom(this.#byGroup, group, name);
  }
}

/** A view that notes what it was asked for. */
class Basis implements View {
  readonly rowNames = new Set<string>();
  readonly groups = new Set<string>();
  readonly #below: View;
  #isSound = true;

  constructor(below: View) {
    this.#below = below;
  }

  /** Nothing that was read has changed since, and all of it can be told from other rows. */
  get isSound(): boolean {
    return this.#isSound;
  }

  async get(key: Key): Promise<Uint8Array | undefined> {
    this.rowNames.add(key);
    return await this.#below.get(key);
  }

  rows(span: KeySpan, options?: RowsOptions): AsyncIterable<Row> {
    const group = groupOf(span.from);
    const isInOneGroup = group !== undefined && groupOf(span.to) === group;
    if (isInOneGroup) this.groups.add(group);
    else this.#isSound = false;
    return this.#below.rows(span, options);
  }

  changed(row: string, group: string | undefined): void {
    if (this.rowNames.has(row) || (group !== undefined && this.groups.has(group))) this.#isSound = false;
  }
}

function addTo(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  if (names === undefined) index.set(key, new Set([name]));
  else names.add(name);
}

function removeFrom(index: Map<string, Set<string>>, key: string, name: string): void {
  const names = index.get(key);
  names?.delete(name);
  if (names?.size === 0) index.delete(key);
}
