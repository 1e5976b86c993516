/**
 * Bytes that rot on a disk, one injection after the other, each on a copy of one data directory that a killed node has left.
 *
 * A node that is damaged may do three things: serve what was acknowledged all the same, refuse what it can't vouch for,
 * or refuse to start; and where it does not serve, it must say so. What it may never do is to serve other bytes, or an
 * older state, or to lose something in silence.
 */
import { cp, mkdir, readdir, readFile, rm } from "node:fs/promises";
import { join, relative } from "node:path";

import { Prng } from "../../../cluster-sim/prng.ts";
import { digestOf, noise } from "../oci-fixtures.ts";
import { DAMAGES, damageFile } from "./damage.ts";
import { glance, inspect } from "./inspection.ts";
import { type Fault, Oracle } from "./oracle.ts";
import { DidNotStartError, meridian, type StoreProcess } from "./store-process.ts";
import { LoadClient, OPERATIONS, PRESENT, register } from "./workload.ts";

const CLIENTS = 4;
const OPERATIONS_EACH = 20;
const LIVES = 3;
/** Blobs damaged at once: a node meets them one by one anyway. */
const BLOBS_AT_ONCE = 20;
const LARGE_REPO = "rot/large";
const LARGE_BYTES = [200_000, 700_000, 1_500_000, 5_000_000] as const;
const TRIES_PER_INJECTION = 20;

/** Files that hold something. LevelDB writes its own diary to `LOG`, and nothing to `LOCK`. */
const METADATA = /\/(?:journal|meta)\/(?!LOG|LOCK)[^/]+$|\.json$/;

/** Kinds of fault that are never excused, however loudly the node complains. */
const LIES: ReadonlySet<Fault["kind"]> = new Set(["wrong bytes", "stale", "returned"]);

export type RotOptions = {
  /** An empty folder. */
  readonly place: string;
  readonly seed: string;
  /** In the files of the metadata: the tables, logs and lists of the store, and the journal. */
  readonly metadataInjections: number;
  readonly blobInjections: number;
};

export type Injection = {
  readonly file: string;
  readonly damage: string;
  /** `served`: all as acknowledged. `refused`: not all of it, and the node says so. `closed`: it says so and does not start. */
  readonly outcome: "served" | "refused" | "closed" | "lied" | "silent";
  /** Whether the node has told anything of it. */
  readonly isTold: boolean;
  readonly detail: string;
};

export type RotReport = { readonly seed: string; readonly injections: readonly Injection[] };

export async function rot(options: RotOptions): Promise<RotReport> {
  return await new Rot(options).run();
}

class Rot {
  readonly #options: RotOptions;
  readonly #prng: Prng;
  readonly #oracle = new Oracle();
  readonly #prepared: string;
  readonly #start = meridian();
  readonly #injections: Injection[] = [];
  #copies = 0;

  constructor(options: RotOptions) {
    this.#options = options;
    this.#prng = new Prng(options.seed);
    this.#prepared = join(options.place, "prepared");
  }

  async run(): Promise<RotReport> {
    const { seed, metadataInjections, blobInjections } = this.#options;
    await this.#prepare();
    const files = await filesBelow(this.#prepared);
    const metadata = files.filter((file) => METADATA.test(file));
    for (let done = 0; done < metadataInjections; done += 1) await this.#injectMetadata(metadata, done);
    const blobs = files.filter((file) => file.includes("/blobs/"));
    for (let done = 0; done < blobInjections; done += BLOBS_AT_ONCE) await this.#injectBlobs(blobs);
    return { seed, injections: this.#injections };
  }

  /** Several lives, each killed: the store then has tables, a log and a list of both, and the journal more than one end. */
  async #prepare(): Promise<void> {
    await mkdir(this.#prepared, { recursive: true });
    const clients = Array.from({ length: CLIENTS }, (_, index) => this.#client(`client-${index}`));
    for (let life = 0; life < LIVES; life += 1) {
      const store = await this.#start(this.#prepared);
      await Promise.all(
        clients.map(async (client) => {
          for (let done = 0; done < OPERATIONS_EACH; done += 1) {
            await client.run(this.#prng.pick(OPERATIONS), store.client);
          }
        }),
      );
      await this.#pushLarge(store, life);
      const faults = await inspect(store.client, this.#oracle, this.#oracle.registers());
      if (faults.length > 0) throw new Error(`the undamaged node is at fault: ${JSON.stringify(faults)}`);
      await store.kill();
    }
  }

  /** Blobs that no memory keeps: each reading of them comes from the disk. */
  async #pushLarge({ client }: StoreProcess, life: number): Promise<void> {
    for (const size of LARGE_BYTES) {
      const bytes = noise(size, `${this.#options.seed} ${life} ${size}`);
      const attempt = this.#oracle.begin(register.blob(LARGE_REPO, digestOf(bytes)), PRESENT);
      await client.pushBlob(LARGE_REPO, bytes);
      this.#oracle.acknowledge(attempt);
    }
  }

  #client(name: string): LoadClient {
    return new LoadClient({
      name,
      oracle: this.#oracle,
      prng: this.#prng.branch(name),
      isPowered: () => true,
      onRefused: (what, { status }) => {
        throw new Error(`refused with ${status}: ${what}`);
      },
    });
  }

  async #injectMetadata(files: readonly string[], round: number): Promise<void> {
    const folder = await this.#copy();
    const damage = DAMAGES[round % DAMAGES.length] ?? "flipped bit";
    for (let tries = 0; tries < TRIES_PER_INJECTION; tries += 1) {
      // Each file in turn, so that the small ones are not passed over.
      const file = files[(Math.floor(round / DAMAGES.length) + tries) % files.length] ?? "";
      const where = await damageFile(join(folder, relative(this.#prepared, file)), damage, this.#prng);
      if (where === undefined) continue;
      await this.#judge(folder, { file: relative(this.#prepared, file), damage: `${damage}, ${where}` });
      break;
    }
    await rm(folder, { recursive: true });
  }

  async #judge(folder: string, what: { readonly file: string; readonly damage: string }): Promise<void> {
    let store: StoreProcess;
    try {
      store = await this.#start(folder);
    } catch (cause) {
      if (!(cause instanceof DidNotStartError)) throw cause;
      this.#injections.push({ ...what, outcome: "closed", isTold: true, detail: cause.message });
      return;
    }
    const faults = await glance(store.client, this.#oracle, this.#oracle.registers());
    const isTold = complaintsOf(store).length > 0;
    await store.kill();
    this.#injections.push({ ...what, outcome: outcomeOf(faults, isTold), isTold, detail: told(faults) });
  }

  /** One life for many: each blob that is damaged is looked at by itself. */
  async #injectBlobs(files: readonly string[]): Promise<void> {
    const folder = await this.#copy();
    const damaged = new Map<string, { readonly file: string; readonly damage: string }>();
    for (let tries = 0; damaged.size < BLOBS_AT_ONCE && tries < BLOBS_AT_ONCE * TRIES_PER_INJECTION; tries += 1) {
      const file = this.#prng.pick(files);
      const digest = `sha256:${file.split("/").at(-1)}`;
      if (damaged.has(digest)) continue;
      const damage = DAMAGES[tries % DAMAGES.length] ?? "flipped bit";
      const where = await damageFile(join(folder, relative(this.#prepared, file)), damage, this.#prng);
      if (where === undefined) continue;
      damaged.set(digest, { file: relative(this.#prepared, file), damage: `${damage}, ${where}` });
    }
    const store = await this.#start(folder);
    for (const [digest, what] of damaged) {
      const registers = this.#oracle.registers().filter((name) => name.endsWith(digest));
      const faults = [
        ...(await this.#readPart(store, registers, what.file)),
        ...(await glance(store.client, this.#oracle, registers)),
      ];
      const isTold = complaintsOf(store).some((line) => line.includes(digest));
      this.#injections.push({ ...what, outcome: outcomeOf(faults, isTold), isTold, detail: told(faults) });
    }
    await store.kill();
    await rm(folder, { recursive: true });
  }

  /** A part of a damaged blob, before anybody has read the whole of it. */
  async #readPart({ client }: StoreProcess, registers: readonly string[], file: string): Promise<readonly Fault[]> {
    const whole = await readFile(join(this.#prepared, file));
    const start = this.#prng.integer(0, whole.length - 1);
    const end = this.#prng.integer(start, whole.length - 1);
    const faults: Fault[] = [];
    for (const name of registers) {
      const [, repo = "", digest = ""] = name.split(" ");
      const reply = await client.getBlob(repo, digest, { Range: `bytes=${start}-${end}` }).catch(() => undefined);
      if (reply?.status !== 206 || reply.body.equals(whole.subarray(start, end + 1))) continue;
      faults.push({ kind: "wrong bytes", what: name, detail: `in the part from ${start} to ${end}` });
    }
    return faults;
  }

  async #copy(): Promise<string> {
    this.#copies += 1;
    const folder = join(this.#options.place, `copy-${this.#copies}`);
    await cp(this.#prepared, folder, { recursive: true });
    return folder;
  }
}

/** What the node has said of its own accord that something is wrong. */
function complaintsOf({ log }: StoreProcess): readonly string[] {
  return log.filter((line) => /"level":"(?:warn|error)"/.test(line));
}

function outcomeOf(faults: readonly Fault[], isTold: boolean): Injection["outcome"] {
  if (faults.some(({ kind }) => LIES.has(kind))) return "lied";
  if (faults.length === 0) return "served";
  return isTold ? "refused" : "silent";
}

function told(faults: readonly Fault[]): string {
  const [first] = faults;
  return first === undefined ? "" : `${faults.length} faults, first ${first.kind} ${first.what}: ${first.detail}`;
}

async function filesBelow(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .toSorted();
}
