/** Ops as a busy registry makes them: a few manifests, and very many tags that are pushed and sometimes moved. */
import type { OpBatch } from "../../nodes/ports/peers.ts";
import { chainAfter, genesis } from "../../nodes/storage/op-log.ts";
import { encodeChange, opOf } from "../../shared/change.ts";
import { hlcAt, nextHlc } from "../../shared/hlc.ts";
import { type Origin, parseNodeId, parseOrigin, parseRegion } from "../../shared/identity.ts";
import { OP_BATCH_BYTES_MAX, OP_BATCH_OPS_MAX } from "../../shared/limits.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import type { RegisterKey, RegisterValue } from "../../shared/register.ts";
import { imageNamed } from "../support/metadata-fixture.ts";

const WRITER: Origin = parseOrigin("b0b0b0b0b0b0b0b0");
const AUTHOR = { node: parseNodeId("eu-1"), region: parseRegion("eu"), actor: "ci" };
const TAGS_PER_REPOSITORY = 200;
/** Of a hundred pushes so many move a tag that is there. */
const MOVES_PER_HUNDRED = 20;
const MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json";

/** How many manifests there are, and of how many of them the tags of one repository are. */
export type Images = { readonly all: number; readonly perRepository: number };
const FEW: Images = { all: 50, perRepository: 8 };

/** `count` ops of one origin in batches as a publisher sends them. */
export function tagMoves(count: number, images: Images = FEW): readonly OpBatch[] {
  const batches: OpBatch[] = [];
  let ops: Uint8Array[] = [];
  let bytes = 0;
  let chain: Uint8Array = genesis(WRITER);
  let base = chain;
  let from = 1;
  const flush = (): void => {
    batches.push({ origin: WRITER, from, ops, chain, base });
    base = chain;
    from += ops.length;
    ops = [];
    bytes = 0;
  };
  for (const op of opsOf(count, images)) {
    if (ops.length === OP_BATCH_OPS_MAX || (ops.length > 0 && bytes + op.length > OP_BATCH_BYTES_MAX)) flush();
    ops.push(op);
    bytes += op.length;
    chain = chainAfter(chain, op);
  }
  if (ops.length > 0) flush();
  return batches;
}

function* opsOf(count: number, { all, perRepository }: Images): Generator<Uint8Array, void> {
  const images = Array.from({ length: all }, (_, index) => imageNamed(`image ${index}`));
  let hlc = hlcAt(1_700_000_000_000);
  const lastWrite = new Map<number, number>();
  let fresh = 0;
  const repoOf = (tag: number): number => Math.floor(tag / TAGS_PER_REPOSITORY);
  const linked = new Set<string>();
  for (let seq = 1; seq <= count; ) {
    const isMove = fresh > 0 && seq % 100 < MOVES_PER_HUNDRED;
    const tag = isMove ? (seq * 7_919) % fresh : fresh;
    const repo = parseRepositoryName(`shop/app${repoOf(tag)}`);
    const image = images[(repoOf(tag) + (tag % perRepository)) % all];
    if (image === undefined) throw new Error("an image for each number");
    const write = (key: RegisterKey, value: RegisterValue, seen: number, content?: Uint8Array): Uint8Array => {
      hlc = nextHlc(hlc, 1_700_000_000_000 + seq);
      const dot = { origin: WRITER, seq };
      const context = seen === 0 ? new Map<Origin, number>() : new Map([[WRITER, seen]]);
      return encodeChange(opOf(key, { dot, hlc, author: AUTHOR, value }, context, content));
    };
    if (!linked.has(`${repo} ${image.digest}`)) {
      linked.add(`${repo} ${image.digest}`);
      const value = { kind: "manifest", mediaType: MEDIA_TYPE, size: image.bytes.length } as const;
      yield write({ kind: "manifest", repo, digest: image.digest }, value, 0, image.bytes);
      seq += 1;
      continue;
    }
    yield write(
      { kind: "tag", repo, tag: parseTag(`v1.${tag}`) },
      { kind: "tag", digest: image.digest },
      lastWrite.get(tag) ?? 0,
    );
    lastWrite.set(tag, seq);
    if (!isMove) fresh += 1;
    seq += 1;
  }
}
