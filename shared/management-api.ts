/**
 * What the management API says and takes, under `/api/v1`. Each schema is the one source of a type, of a check and of
 * the published OpenAPI document; the command line reads the answers by the same types.
 *
 * Times are RFC 3339 texts, durations and sizes numbers with their unit in the name. What is not known is left out.
 * Lists are told page by page: `next` is the `last` of the page that follows, absent on the last one.
 */
import { type Static, type TObject, type TSchema, Type } from "typebox";
import { Check, Errors } from "typebox/schema";

import { RegistryError } from "./errors.ts";
import { VERIFY_TIMEOUT_MS_DEFAULT, VERIFY_TIMEOUT_MS_MAX, WAIT_MS_MAX } from "./limits.ts";
import { MEMBER_STATUSES } from "./member.ts";

const CLOSED = { additionalProperties: false } as const;

function text(description: string) {
  return Type.String({ description });
}

function count(description: string) {
  return Type.Integer({ minimum: 0, description });
}

function optionalText(description: string) {
  return Type.Optional(text(description));
}

export const REACHABILITIES = ["connecting", "reachable", "unreachable"] as const;
export const LEVELS = ["unknown", "known", "pullable", "resident"] as const;
export const WAIT_LEVELS = ["known", "pullable", "resident"] as const;
export const VERDICTS = ["equal", "different", "pending", "unprepared", "unreachable"] as const;
export const REGISTER_KINDS = ["tag", "manifest", "blob"] as const;
export const MOVE_OUTCOMES = ["current", "replaced", "conflict-lost"] as const;

export const MemberSchema = Type.Object({
  node: optionalText("Name; absent while nobody has answered at the address."),
  region: optionalText("Region of the node."),
  address: text("host:port of the peer listener."),
  registry: optionalText("URL of the registry."),
  version: optionalText("Version of Meridian that runs there."),
  self: Type.Boolean({ description: "Whether this is the node that answers." }),
  status: Type.Optional(
    Type.Enum([...MEMBER_STATUSES], { description: "What the cluster holds of it; absent while nobody has answered." }),
  ),
  statusForMs: Type.Optional(Type.Number({ minimum: 0, description: "For how long that has been so." })),
  incarnation: Type.Optional(count("Raised by the node whenever it has to contradict what is said of it.")),
  zone: optionalText("Failure domain within the region."),
  role: optionalText("full, cache or witness."),
  capacityBytes: Type.Optional(count("Room for layers.")),
  costClass: optionalText("What bytes out of there cost."),
  reachability: Type.Enum([...REACHABILITIES], { description: "As the answering node sees it." }),
  roundTripMs: Type.Optional(Type.Number({ minimum: 0, description: "Distance." })),
  forMs: Type.Number({ minimum: 0, description: "For how long the reachability has been so." }),
  uptimeMs: Type.Optional(Type.Number({ minimum: 0, description: "Since the node started." })),
  repositories: Type.Optional(count("Repositories that it knows.")),
  tags: Type.Optional(count("Tags that it knows.")),
  stateHash: optionalText("Equal on two nodes exactly when they know the same."),
});
export type MemberTold = Static<typeof MemberSchema>;

const PARKED_REASONS_TOLD = ["clock", "equivocation"] as const;

const ParkedSchema = Type.Object({
  origin: text("Of the data directory whose changes are kept aside."),
  reason: Type.Enum([...PARKED_REASONS_TOLD], {
    description: "clock: its time is far ahead; equivocation: it told two histories under the same numbers.",
  }),
  since: text("Since when."),
  from: count("The first of its changes that is not merged."),
  kept: count("Changes that are kept aside."),
  until: optionalText("When they are merged by themselves; absent where a person must look."),
  proof: optionalText("Where the two histories part."),
});
export type ParkedTold = Static<typeof ParkedSchema>;

export const ReleaseRequestSchema = Type.Object({ origin: text("An origin that is parked.") }, CLOSED);
export type ReleaseAsked = Static<typeof ReleaseRequestSchema>;

export const ReleasedSchema = Type.Object({ node: text("The node that has let it go."), origin: text("The origin.") });
export type ReleasedTold = Static<typeof ReleasedSchema>;

export const MEMBER_ACTIONS = ["evict", "admit", "leave"] as const;

export const MemberChangeSchema = Type.Object(
  {
    node: text("Name of the member."),
    action: Type.Enum([...MEMBER_ACTIONS], {
      description:
        "evict: give it up; admit: take it back; leave: asked of the node itself, which hands over and leaves.",
    }),
  },
  CLOSED,
);
export type MemberChangeAsked = Static<typeof MemberChangeSchema>;

export const MemberChangedSchema = Type.Object({
  node: text("Name of the member."),
  status: Type.Enum([...MEMBER_STATUSES], { description: "What it is held for now." }),
});
export type MemberChangedTold = Static<typeof MemberChangedSchema>;

export const ClusterSchema = Type.Object({
  cluster: text("Name of the cluster."),
  node: text("The node that answers."),
  region: text("Its region."),
  members: Type.Array(MemberSchema, { description: "The answering node first." }),
  parked: Type.Optional(Type.Array(ParkedSchema, { description: "Origins that the answering node keeps aside." })),
});
export type ClusterTold = Static<typeof ClusterSchema>;

export const LagSchema = Type.Object({
  entries: Type.Array(
    Type.Object({
      source: text("The node that wrote."),
      sourceRegion: text("Its region."),
      target: text("The node that has to learn of it."),
      targetRegion: text("Its region."),
      reachable: Type.Optional(Type.Boolean({ description: "Whether the target can reach the source." })),
      pendingOps: Type.Optional(count("Changes that the target lacks.")),
      lagMs: Type.Optional(Type.Number({ minimum: 0, description: "Age of the oldest of them." })),
    }),
    { description: "Each pair of nodes, both ways. What a node could not be asked is absent." },
  ),
});
export type LagTold = Static<typeof LagSchema>;

const REPLICATION_FIELDS = {
  image: text("As it was asked for."),
  digest: optionalText("What it means; absent when no node that can be reached knows it."),
  regions: Type.Array(
    Type.Object({
      region: text("Region."),
      level: Type.Enum([...LEVELS], {
        description: "known: the metadata is there; pullable: the layers can be had; resident: they are there.",
      }),
      partsMissing: count("Manifests and blobs that are not there."),
      bytesMissing: count("Their bytes."),
      bytesTotal: count("Bytes of the whole image."),
      why: optionalText("Why the region is not further."),
    }),
  ),
  unheard: Type.Array(Type.String(), { description: "Addresses at which nobody has ever answered." }),
};

export const ReplicationSchema = Type.Object(REPLICATION_FIELDS);
export type ReplicationTold = Static<typeof ReplicationSchema>;

export const WaitOutcomeSchema = Type.Object({
  reached: Type.Boolean({ description: "Whether every region got there in time." }),
  ...REPLICATION_FIELDS,
});
export type WaitOutcomeTold = Static<typeof WaitOutcomeSchema>;

export const WaitRequestSchema = Type.Object(
  {
    image: text("NAME:TAG or NAME@DIGEST; a registry's host in front is ignored."),
    regions: Type.Union([Type.Literal("all"), Type.Array(Type.String(), { minItems: 1, maxItems: 300 })]),
    level: Type.Enum([...WAIT_LEVELS]),
    timeoutMs: Type.Integer({ minimum: 0, maximum: WAIT_MS_MAX, description: "How long to wait at most." }),
  },
  CLOSED,
);
export type WaitAsked = Static<typeof WaitRequestSchema>;

export const RepositoriesSchema = Type.Object({
  repositories: Type.Array(Type.Object({ name: text("Name.") })),
  next: optionalText("`last` of the next page."),
});
export type RepositoriesTold = Static<typeof RepositoriesSchema>;

const WRITTEN_FIELDS = {
  at: text("When it was written."),
  node: text("Through which node."),
  region: text("In which region."),
  actor: text("By whom."),
};

export const TagsSchema = Type.Object({
  name: text("Repository."),
  tags: Type.Array(Type.Object({ tag: text("Tag."), digest: text("The manifest it names."), ...WRITTEN_FIELDS })),
  next: optionalText("`last` of the next page."),
});
export type TagsTold = Static<typeof TagsSchema>;

export const HistorySchema = Type.Object({
  name: text("Repository."),
  tag: text("Tag."),
  moves: Type.Array(
    Type.Object({
      ...WRITTEN_FIELDS,
      from: optionalText("What the tag named before; absent when it did not exist."),
      to: optionalText("What it named then; absent when it was deleted."),
      outcome: Type.Enum([...MOVE_OUTCOMES], {
        description: "conflict-lost: it stood beside a later move that had not seen it.",
      }),
    }),
    { description: "Newest first." },
  ),
});
export type HistoryTold = Static<typeof HistorySchema>;

const VERSION = Type.Object({ digest: optionalText("Absent when the tag was deleted."), ...WRITTEN_FIELDS });

export const ConflictsSchema = Type.Object({
  conflicts: Type.Array(
    Type.Object({
      name: text("Repository."),
      tag: text("Tag."),
      winner: VERSION,
      losers: Type.Array(VERSION),
    }),
  ),
  next: optionalText("`last` of the next page."),
});
export type ConflictsTold = Static<typeof ConflictsSchema>;

const HELD_VALUE = Type.Object({ value: text("A digest, `linked` or `removed`."), ...WRITTEN_FIELDS });

export const VerifyRequestSchema = Type.Object(
  {
    timeoutMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: VERIFY_TIMEOUT_MS_MAX,
        description: `How long changes that are on their way are waited for; ${VERIFY_TIMEOUT_MS_DEFAULT} unless it says another.`,
      }),
    ),
  },
  CLOSED,
);
export type VerifyAsked = Static<typeof VerifyRequestSchema>;

export const VerifyOutcomeSchema = Type.Object({
  node: text("The node that was asked: the others are compared with it."),
  nodes: Type.Array(
    Type.Object({
      node: text("Name."),
      region: text("Its region."),
      verdict: Type.Enum([...VERDICTS], {
        description:
          "different: nothing that was on its way explains it; pending: the time was not enough to tell; unprepared: the node still reads its own state.",
      }),
      differences: Type.Array(
        Type.Object({
          kind: Type.Enum([...REGISTER_KINDS]),
          name: text("Repository."),
          reference: text("The tag, or the digest."),
          here: Type.Array(HELD_VALUE, { description: "What the asked node holds; more than one in a conflict." }),
          there: Type.Array(HELD_VALUE, { description: "What this node holds." }),
        }),
      ),
      more: Type.Boolean({ description: "Whether there are more differences than are told." }),
    }),
  ),
});
export type VerifyOutcomeTold = Static<typeof VerifyOutcomeSchema>;

export const ErrorsSchema = Type.Object({
  errors: Type.Array(
    Type.Object({
      code: text("One of distribution-spec's codes, or UNAVAILABLE."),
      message: text("A sentence for a person."),
      detail: Type.Optional(Type.Unknown()),
    }),
  ),
});

/** @throws {RegistryError} `UNSUPPORTED` (400) with the first thing that is wrong. */
export function parseWaitRequest(value: unknown): WaitAsked {
  return checked(WaitRequestSchema, value);
}

/** @throws {RegistryError} `UNSUPPORTED` (400) with the first thing that is wrong. */
export function parseVerifyRequest(value: unknown): VerifyAsked {
  return checked(VerifyRequestSchema, value);
}

/** @throws {RegistryError} `UNSUPPORTED` (400) with the first thing that is wrong. */
export function parseReleaseRequest(value: unknown): ReleaseAsked {
  return checked(ReleaseRequestSchema, value);
}

/** @throws {RegistryError} `UNSUPPORTED` (400) with the first thing that is wrong. */
export function parseMemberChange(value: unknown): MemberChangeAsked {
  return checked(MemberChangeSchema, value);
}

/** Whether an answer says what `schema` promises; what it says beyond that is for others. */
export function isAnswer<Schema extends ApiSchema>(schema: Schema, value: unknown): value is Static<Schema> {
  return Check(schema, value);
}

function checked<Schema extends TObject>(schema: Schema, value: unknown): Static<Schema> {
  if (Check(schema, value)) return value;
  const [, [first]] = Errors(schema, value);
  const at = first?.instancePath ?? "";
  const message = `${at === "" ? "the body" : at} ${first?.message ?? "is not what it must be"}`;
  throw new RegistryError("UNSUPPORTED", { at }, { status: 400, message });
}

export type ApiSchema = TSchema;
/** What a value of the schema is. */
export type Told<Schema extends ApiSchema> = Static<Schema>;
