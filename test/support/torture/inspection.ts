/**
 * What a registry has after a disaster, compared with what the oracle allows. Every byte that it serves is hashed, and
 * whatever a tag or a manifest names must be there as a whole: half an image is a fault even where nobody was promised
 * any of it.
 */
import { digestOf } from "../oci-fixtures.ts";
import { isRecord, jsonOf, type RegistryClient, type Reply } from "../registry-client.ts";
import type { Fault, Oracle, Value } from "./oracle.ts";
import { PRESENT, register } from "./workload.ts";

const AT_ONCE = 8;

type Look = Pick<Oracle, "observe">;

/** Looks at `registers` in a new life of the store, and takes what it finds as the truth from here on. */
export async function inspect(
  client: RegistryClient,
  oracle: Oracle,
  registers: readonly string[],
): Promise<readonly Fault[]> {
  return await inspectAll(client, oracle, oracle, registers);
}

/** Looks at `registers` in the life in which they were written: what had no answer may still come to be. */
export async function glance(
  client: RegistryClient,
  oracle: Oracle,
  registers: readonly string[],
): Promise<readonly Fault[]> {
  const compare: Look["observe"] = (name, found) => oracle.compare(name, found);
  return await inspectAll(client, oracle, { observe: compare }, registers);
}

async function inspectAll(
  client: RegistryClient,
  oracle: Oracle,
  judge: Look,
  registers: readonly string[],
): Promise<readonly Fault[]> {
  const faults: Fault[] = [];
  const left = [...registers];
  const look = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      faults.push(...(await inspectOne(client, judge, name)));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, look));
  faults.push(...(await strangersAmongTags(client, oracle, registers)));
  return faults;
}

async function inspectOne(client: RegistryClient, oracle: Look, name: string): Promise<readonly Fault[]> {
  try {
    return await inspectReply(client, oracle, name);
  } catch (cause) {
    // An answer that breaks off is how a registry takes back what it finds to be wrong on the way.
    return [{ kind: "unreadable", what: name, detail: String(cause) }];
  }
}

async function inspectReply(client: RegistryClient, oracle: Look, name: string): Promise<readonly Fault[]> {
  const [kind = "", repo = "", reference = ""] = name.split(" ");
  const reply = await client.get(`/v2/${repo}/${kind === "blob" ? "blobs" : "manifests"}/${reference}`);
  if (reply.status === 404) return faultsOf([oracle.observe(name, undefined)]);
  if (reply.status !== 200) return [{ kind: "unreadable", what: name, detail: told(reply) }];
  const digest = digestOf(reply.body);
  const promised = kind === "tag" ? reply.headers["docker-content-digest"] : reference;
  if (digest !== promised) return [{ kind: "wrong bytes", what: name, detail: `served ${digest}` }];

  const found: Value = kind === "tag" ? digest : PRESENT;
  const fault = oracle.observe(name, found);
  return faultsOf([fault, ...(kind === "blob" ? [] : await missingParts(client, repo, name, reply))]);
}

/** A manifest that is visible has all its blobs, whole. */
async function missingParts(
  client: RegistryClient,
  repo: string,
  name: string,
  reply: Reply,
): Promise<readonly (Fault | undefined)[]> {
  return await Promise.all(
    partsOf(jsonOf(reply)).map(async (digest) => {
      const blob = await client.getBlob(repo, digest);
      if (blob.status === 200 && digestOf(blob.body) === digest) return undefined;
      const kind = blob.status === 200 ? "wrong bytes" : "half";
      return { kind, what: name, detail: `its part ${digest}: ${told(blob)}` } as const;
    }),
  );
}

function partsOf(manifest: unknown): readonly string[] {
  if (!isRecord(manifest) || !Array.isArray(manifest["layers"])) return [];
  const descriptors: readonly unknown[] = [manifest["config"], ...manifest["layers"]];
  return descriptors.flatMap((part) => (isRecord(part) && typeof part["digest"] === "string" ? [part["digest"]] : []));
}

/** The list of a repository's tags names each that can be pulled, and no other. */
async function strangersAmongTags(
  client: RegistryClient,
  oracle: Oracle,
  registers: readonly string[],
): Promise<readonly Fault[]> {
  const repos = new Set(registers.filter((name) => name.startsWith("tag ")).map((name) => name.split(" ")[1] ?? ""));
  const faults: Fault[] = [];
  for (const repo of repos) {
    const listed = new Set(await tagsOf(client, repo));
    const prefix = register.tag(repo, "");
    for (const name of oracle.registers()) {
      if (!name.startsWith(prefix) || oracle.allowed(name).length !== 1) continue;
      const tag = name.slice(prefix.length);
      const isHeld = oracle.certain(name) !== undefined;
      if (isHeld === listed.has(tag)) continue;
      faults.push({ kind: isHeld ? "lost" : "returned", what: name, detail: "by the list of tags" });
    }
  }
  return faults;
}

async function tagsOf(client: RegistryClient, repo: string): Promise<readonly string[]> {
  const tags: string[] = [];
  for (let last = ""; ; last = tags.at(-1) ?? "") {
    const reply = await client.get(`/v2/${repo}/tags/list?n=1000${last === "" ? "" : `&last=${last}`}`);
    if (reply.status === 404) return tags;
    const page = jsonOf(reply);
    const found: readonly unknown[] = isRecord(page) && Array.isArray(page["tags"]) ? page["tags"] : [];
    tags.push(...found.filter((tag) => typeof tag === "string"));
    if (reply.headers["link"] === undefined) return tags;
  }
}

function faultsOf(found: readonly (Fault | undefined)[]): readonly Fault[] {
  return found.filter((fault) => fault !== undefined);
}

function told({ status, body }: Reply): string {
  return `${status} ${status === 200 ? "" : body.toString("utf8").slice(0, 200)}`.trim();
}
