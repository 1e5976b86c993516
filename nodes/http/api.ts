/**
 * The management API. It tells what clients of a registry have no words for: how far nodes and images have come, who moved
 * a tag, which concurrent moves lost. The shapes are `shared/management-api.ts`; here they are filled.
 */

import { RegistryError } from "../../shared/errors.ts";
import { type Hlc, wallMsOf } from "../../shared/hlc.ts";
import { isNodeId, isRegion, type Region } from "../../shared/identity.ts";
import { ImageNameError, parseImageName, referenceOf } from "../../shared/image-name.ts";
import { parseJson } from "../../shared/json.ts";
import {
  API_BODY_BYTES_MAX,
  MANIFEST_JSON_DEPTH_MAX,
  PAGE_ENTRIES_DEFAULT,
  VERIFY_TIMEOUT_MS_DEFAULT,
} from "../../shared/limits.ts";
import {
  type ClusterTold,
  type ConflictsTold,
  type HistoryTold,
  type LagTold,
  type MemberChangedTold,
  type MemberTold,
  type ParkedTold,
  parseMemberChange,
  parseReleaseRequest,
  parseVerifyRequest,
  parseWaitRequest,
  type ReleasedTold,
  type ReplicationTold,
  type RepositoriesTold,
  type TagsTold,
  type VerifyOutcomeTold,
  type WaitOutcomeTold,
} from "../../shared/management-api.ts";
import type { MemberLabels } from "../../shared/member.ts";
import { isTag, parseRepositoryName, type Reference, type RepositoryName } from "../../shared/reference.ts";
import type { Author, RegisterKey, Version } from "../../shared/register.ts";
import type { StateDifference } from "../cluster/compare-state.ts";
import type { ImageReplication } from "../cluster/image-replication.ts";
import type { MemberDescribed } from "../registry/describe-cluster.ts";
import type { Parked } from "../storage/parking.ts";
import { type Call, type Desk, placeholder } from "./call.ts";
import { expectNoEncoding } from "./content-encoding.ts";
import { parsePage } from "./page.ts";
import { jsonReply, type Reply } from "./reply.ts";

export async function getCluster({ signal }: Call, { operations, self }: Desk): Promise<Reply> {
  const members = await operations.describeCluster.run(signal);
  const { cluster, node, region } = self;
  const parked = operations.releaseOrigin.list().map(parkedTold);
  const told = { cluster, node, region, members: members.map(memberTold), ...(parked.length > 0 ? { parked } : {}) };
  return jsonReply(200, told satisfies ClusterTold);
}

export async function postRelease(call: Call, { operations, self }: Desk): Promise<Reply> {
  expectNoEncoding(call);
  const { origin } = parseReleaseRequest(await readJson(call));
  return jsonReply(200, { node: self.node, origin: await operations.releaseOrigin.run(origin) } satisfies ReleasedTold);
}

function parkedTold({ origin, reason, sinceMs, at, upto, untilMs, proof }: Parked): ParkedTold {
  const hex = (chain: Uint8Array): string => Buffer.from(chain).toString("hex");
  const until = reason === "clock" ? new Date(untilMs).toISOString() : undefined;
  const parting =
    proof === undefined ? undefined : `up to change ${proof.seq}: ${hex(proof.held)} here, ${hex(proof.told)} there`;
  const row = { origin, reason, since: new Date(sinceMs).toISOString(), from: at, kept: upto - at + 1 };
  return { ...row, ...known({ until, proof: parting }) };
}

export async function getLag({ signal }: Call, { operations }: Desk): Promise<Reply> {
  const lag = await operations.clusterView.lag(signal);
  const entries = lag.map(({ isReachable, pendingOps, lagMs, ...pair }) => ({
    ...pair,
    ...known({ reachable: isReachable, pendingOps, lagMs }),
  }));
  return jsonReply(200, { entries } satisfies LagTold);
}

export async function getReplication({ target, signal }: Call, { operations }: Desk): Promise<Reply> {
  const image = target.query.first("image") ?? "";
  const { repo, reference } = parseImage(image);
  const state = await operations.clusterView.replication(repo, reference, signal);
  return jsonReply(200, replicationTold(image, state) satisfies ReplicationTold);
}

export async function postWait(call: Call, { operations }: Desk): Promise<Reply> {
  expectNoEncoding(call);
  const { image, regions, level, timeoutMs } = parseWaitRequest(await readJson(call));
  const { repo, reference } = parseImage(image);
  const { clusterView } = operations;
  const request = { repo, reference, regions: parseRegions(regions), level, timeoutMs };
  const { isReached, ...state } = await clusterView.wait(request, call.signal);
  return jsonReply(200, { reached: isReached, ...replicationTold(image, state) } satisfies WaitOutcomeTold);
}

export async function postMember(call: Call, { operations }: Desk): Promise<Reply> {
  expectNoEncoding(call);
  const { node, action } = parseMemberChange(await readJson(call));
  if (!isNodeId(node)) throw new RegistryError("NAME_UNKNOWN", undefined, { message: "no member has this name" });
  const status = await operations.changeMember.run(node, action, call.signal);
  return jsonReply(200, { node, status } satisfies MemberChangedTold);
}

export async function postVerify(call: Call, { operations, self }: Desk): Promise<Reply> {
  expectNoEncoding(call);
  const { timeoutMs = VERIFY_TIMEOUT_MS_DEFAULT } = parseVerifyRequest(await readJson(call));
  const verified = await operations.verifyState.run(timeoutMs, call.signal);
  const nodes = verified.map(({ node, region, verdict, differences, hasMore }) => ({
    node,
    region,
    verdict,
    differences: differences.map(differenceTold),
    more: hasMore,
  }));
  return jsonReply(200, { node: self.node, nodes } satisfies VerifyOutcomeTold);
}

export async function getRepositories({ target }: Call, { operations }: Desk): Promise<Reply> {
  const page = parsePage(target.query, PAGE_ENTRIES_DEFAULT);
  const { entries, hasMore } = await operations.listRepositories.run(page);
  const repositories = entries.map((name) => ({ name }));
  const next = hasMore ? entries.at(-1) : undefined;
  return jsonReply(200, { repositories, ...known({ next }) } satisfies RepositoriesTold);
}

export async function getTagStates(call: Call, { operations }: Desk): Promise<Reply> {
  const name = parseRepositoryName(placeholder(call, "name"));
  const page = parsePage(call.target.query, PAGE_ENTRIES_DEFAULT);
  const { entries, hasMore } = await operations.listTagStates.run(name, page);
  const tags = entries.map(({ tag, digest, version }) => ({
    tag,
    digest,
    ...writtenTold(version.hlc, version.author),
  }));
  const next = hasMore ? entries.at(-1)?.tag : undefined;
  return jsonReply(200, { name, tags, ...known({ next }) } satisfies TagsTold);
}

export async function getHistory(call: Call, { operations }: Desk): Promise<Reply> {
  const name = parseRepositoryName(placeholder(call, "name"));
  const tag = placeholder(call, "tag");
  if (!isTag(tag)) throw new RegistryError("MANIFEST_UNKNOWN", { tag: tag.slice(0, 160) });
  const history = await operations.listHistory.run(name, tag);
  const moves = history.map(({ at, author, from, to, outcome }) => ({
    ...writtenTold(at, author),
    ...known({ from, to }),
    outcome,
  }));
  return jsonReply(200, { name, tag, moves } satisfies HistoryTold);
}

export async function getConflicts({ target }: Call, { operations }: Desk): Promise<Reply> {
  const page = parsePage(target.query, PAGE_ENTRIES_DEFAULT);
  const { entries, hasMore } = await operations.listConflicts.run(page);
  const conflicts = entries.map(({ repo, tag, winner, losers }) => ({
    name: repo,
    tag,
    winner: versionTold(winner),
    losers: losers.map(versionTold),
  }));
  const last = entries.at(-1);
  const next = hasMore && last !== undefined ? `${last.repo} ${last.tag}` : undefined;
  return jsonReply(200, { conflicts, ...known({ next }) } satisfies ConflictsTold);
}

function memberTold({
  isSelf,
  status,
  statusForMs,
  incarnation,
  labels,
  reachability,
  forMs,
  address,
  report,
  ...member
}: MemberDescribed): MemberTold {
  const { node, region, registry, version, roundTripMs } = member;
  return {
    ...known({ node, region, registry, version, roundTripMs }),
    address,
    self: isSelf,
    ...known({ status, statusForMs, incarnation, ...labelsTold(labels) }),
    reachability,
    forMs,
    ...known({
      uptimeMs: report?.uptimeMs,
      repositories: report?.repositories,
      tags: report?.tags,
      stateHash: report?.stateHash,
    }),
  };
}

/** Only what an operator has said. */
function labelsTold(labels: MemberLabels | undefined) {
  if (labels === undefined) return {};
  const { zone, role, capacityBytes, costClass } = labels;
  return {
    zone: zone === "" ? undefined : zone,
    role,
    capacityBytes,
    costClass: costClass === "" ? undefined : costClass,
  };
}

function replicationTold(image: string, { digest, regions, unheard }: ImageReplication): ReplicationTold {
  return {
    image,
    ...known({ digest }),
    regions: regions.map(({ why, ...region }) => ({ ...region, ...known({ why }) })),
    unheard: [...unheard],
  };
}

function differenceTold({ key, here, there }: StateDifference) {
  return {
    kind: key.kind,
    name: key.repo,
    reference: key.kind === "tag" ? key.tag : key.digest,
    here: here.versions.map((version) => heldTold(key, version)),
    there: there.versions.map((version) => heldTold(key, version)),
  };
}

function heldTold(key: RegisterKey, { hlc, author, value }: Version) {
  const linked = value.kind === "manifest" && key.kind === "manifest" ? key.digest : value.kind;
  return { value: value.kind === "tag" ? value.digest : linked, ...writtenTold(hlc, author) };
}

function versionTold({ hlc, author, value }: Version) {
  return { ...known({ digest: value.kind === "tag" ? value.digest : undefined }), ...writtenTold(hlc, author) };
}

function writtenTold(at: Hlc, { node, region, actor }: Author) {
  return { at: new Date(wallMsOf(at)).toISOString(), node, region, actor };
}

type Known<Fields> = { readonly [Name in keyof Fields]?: Exclude<Fields[Name], undefined> };

/** Leaves out what is not known. */
function known<Fields extends object>(fields: Fields): Known<Fields>;
function known(fields: object): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
}

async function readJson({ body }: Call): Promise<unknown> {
  const bytes = await body.read(API_BODY_BYTES_MAX);
  try {
    return parseJson(bytes, MANIFEST_JSON_DEPTH_MAX);
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
    throw new RegistryError("UNSUPPORTED", undefined, { status: 400, message: "the body is not JSON", cause });
  }
}

/** `NAME:TAG` or `NAME@DIGEST`; `latest` when it says neither. Whose registry it names is the caller's affair. */
function parseImage(text: string): { readonly repo: RepositoryName; readonly reference: Reference } {
  try {
    const name = parseImageName(text);
    const reference = referenceOf(name) ?? referenceOf(parseImageName(`${name.repo}:latest`));
    if (reference === undefined) throw new ImageNameError("the image has neither tag nor digest");
    return { repo: name.repo, reference };
  } catch (cause) {
    if (!(cause instanceof ImageNameError)) throw cause;
    throw new RegistryError("NAME_INVALID", { image: text.slice(0, 255) }, { message: cause.message, cause });
  }
}

function parseRegions(regions: "all" | readonly string[]): "all" | readonly Region[] {
  if (regions === "all") return "all";
  return regions.map((region) => {
    if (isRegion(region)) return region;
    const detail = { region: region.slice(0, 80) };
    throw new RegistryError("UNSUPPORTED", detail, { status: 400, message: "not a region name" });
  });
}
