/** A node that may open fewer files than its clients would like: it sheds what it can't serve, and goes on afterwards. */
import { digestOf, noise } from "../oci-fixtures.ts";
import { locationOf, RegistryClient } from "../registry-client.ts";
import { CanonicalPush } from "./canonical-push.ts";
import { type Finding, readiness } from "./exhaustion.ts";
import { glance } from "./inspection.ts";
import { Oracle } from "./oracle.ts";
import { meridian } from "./store-process.ts";

/** What an idle node has open, and a few. */
const FILES_MAX = 96;
/** Fewer than that, or none would be left for the files that they ask for. */
const CLIENTS = 60;
const REPO = "few/files";
const BLOB_BYTES = 300 * 1024;
const SHED = new Set([0, 429, 503]);

export type FewFilesReport = {
  readonly served: number;
  readonly shed: number;
  readonly findings: readonly Finding[];
};

export async function runShortOfFiles(place: string): Promise<FewFilesReport> {
  const oracle = new Oracle();
  const findings: Finding[] = [];
  const start = meridian({ wrapper: ["prlimit", `--nofile=${FILES_MAX}:${FILES_MAX}`] });
  const store = await start(place);
  await new CanonicalPush(store.client, oracle, "before").run();
  const digest = await store.client.pushBlob(REPO, noise(BLOB_BYTES, "files"));

  const crowd = new RegistryClient(store.client.host, store.client.port);
  const statuses = await Promise.all(
    Array.from({ length: CLIENTS }, async (_, index) => {
      return index % 2 === 0 ? await statusOf(crowd, digest) : await statusOfPush(crowd, index);
    }),
  );
  crowd.close();
  for (const status of statuses) {
    if (status >= 300 && !SHED.has(status)) findings.push({ when: "short of files", what: `answered with ${status}` });
  }
  if (!store.isRunning) findings.push({ when: "short of files", what: "the process ended" });
  const after = await new CanonicalPush(store.client, oracle, "after").run();
  for (const { request, status } of after) {
    if (status === 0 || status >= 300) findings.push({ when: "afterwards", what: `${request}: ${status}` });
  }
  const { status, text } = await readiness(store);
  if (status !== 200) findings.push({ when: "afterwards", what: `not ready: ${text}` });
  for (const { kind, what } of await glance(store.client, oracle, oracle.registers())) {
    findings.push({ when: "afterwards", what: `${kind}: ${what}` });
  }
  await store.kill();
  const served = statuses.filter((each) => each !== 0 && each < 300).length;
  return { served, shed: statuses.filter((each) => SHED.has(each)).length, findings };
}

/** 0 is no answer, or half of one; other bytes than were asked for count as an answer that nobody wants. */
async function statusOf(client: RegistryClient, digest: string): Promise<number> {
  try {
    const { status, body } = await client.getBlob(REPO, digest);
    return status === 200 && digestOf(body) !== digest ? 599 : status;
  } catch {
    return 0;
  }
}

async function statusOfPush(client: RegistryClient, index: number): Promise<number> {
  try {
    const bytes = noise(BLOB_BYTES, `pushed ${index}`);
    const started = await client.post(`/v2/${REPO}/blobs/uploads/`);
    if (started.status !== 202) return started.status;
    return (await client.finishUpload(locationOf(started), digestOf(bytes), { body: bytes })).status;
  } catch {
    return 0;
  }
}
