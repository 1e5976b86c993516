import {
  type ApiSchema,
  ClusterSchema,
  ConflictsSchema,
  ErrorsSchema,
  HistorySchema,
  LagSchema,
  MemberChangedSchema,
  MemberChangeSchema,
  ReleasedSchema,
  ReleaseRequestSchema,
  ReplicationSchema,
  RepositoriesSchema,
  TagsSchema,
  VerifyOutcomeSchema,
  VerifyRequestSchema,
  WaitOutcomeSchema,
  WaitRequestSchema,
} from "../../shared/management-api.ts";
import { jsonReply, type Reply } from "./reply.ts";

type Endpoint = {
  readonly method: "get" | "post";
  /** As `ROUTES` has it. */
  readonly path: string;
  readonly summary: string;
  readonly query: readonly Parameter[];
  readonly body?: ApiSchema;
  readonly answer: ApiSchema;
};

type Parameter = { readonly name: string; readonly description: string; readonly isRequired: boolean };

const PAGE: readonly Parameter[] = [
  { name: "n", description: "Entries of one page.", isRequired: false },
  { name: "last", description: "The page begins after this entry.", isRequired: false },
];
const IMAGE: readonly Parameter[] = [{ name: "image", description: "NAME:TAG or NAME@DIGEST.", isRequired: true }];

/** What the document tells; a test holds it equal to `ROUTES`. */
export const API_ENDPOINTS: readonly Endpoint[] = [
  { method: "get", path: "/api/v1/cluster", summary: "All nodes", query: [], answer: ClusterSchema },
  {
    method: "get",
    path: "/api/v1/cluster/lag",
    summary: "How far each node is behind each",
    query: [],
    answer: LagSchema,
  },
  {
    method: "get",
    path: "/api/v1/replication",
    summary: "How far an image has come in each region",
    query: IMAGE,
    answer: ReplicationSchema,
  },
  {
    method: "post",
    path: "/api/v1/wait",
    summary: "Waits until an image has come somewhere",
    query: [],
    body: WaitRequestSchema,
    answer: WaitOutcomeSchema,
  },
  {
    method: "post",
    path: "/api/v1/members",
    summary: "Evict a member, admit it again, or let the asked node leave",
    query: [],
    body: MemberChangeSchema,
    answer: MemberChangedSchema,
  },
  {
    method: "post",
    path: "/api/v1/verify",
    summary: "Whether all nodes hold the same, and what they hold differently",
    query: [],
    body: VerifyRequestSchema,
    answer: VerifyOutcomeSchema,
  },
  {
    method: "post",
    path: "/api/v1/release",
    summary: "Lets go an origin that the node keeps aside, on this node",
    query: [],
    body: ReleaseRequestSchema,
    answer: ReleasedSchema,
  },
  {
    method: "get",
    path: "/api/v1/conflicts",
    summary: "Tags with concurrent moves that nobody has settled",
    query: PAGE,
    answer: ConflictsSchema,
  },
  { method: "get", path: "/api/v1/repositories", summary: "Repositories", query: PAGE, answer: RepositoriesSchema },
  {
    method: "get",
    path: "/api/v1/repositories/<name>/tags",
    summary: "Tags of a repository, and who moved them last",
    query: PAGE,
    answer: TagsSchema,
  },
  {
    method: "get",
    path: "/api/v1/repositories/<name>/tags/<tag>/history",
    summary: "Who moved a tag, where, when, from what to what",
    query: [],
    answer: HistorySchema,
  },
];

export function openApi(): Reply {
  return jsonReply(200, openApiDocument());
}

/** OpenAPI 3.1, whose schemas are JSON Schema as they stand. */
export function openApiDocument(): object {
  const paths: Record<string, object> = {};
  for (const endpoint of API_ENDPOINTS) {
    paths[endpoint.path.replaceAll("<", "{").replaceAll(">", "}")] = { [endpoint.method]: operationOf(endpoint) };
  }
  return {
    openapi: "3.1.0",
    info: { title: "Meridian management API", version: "1" },
    paths,
  };
}

function operationOf({ path, summary, query, body, answer }: Endpoint): object {
  const inPath = [...path.matchAll(/<([a-z]+)>/g)].map(([, name = ""]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));
  const inQuery = query.map(({ name, description, isRequired }) => ({
    name,
    in: "query",
    required: isRequired,
    description,
    schema: { type: "string" },
  }));
  return {
    summary,
    parameters: [...inPath, ...inQuery],
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(body) } }),
    responses: {
      200: { description: summary, content: jsonContent(answer) },
      default: { description: "A refusal", content: jsonContent(ErrorsSchema) },
    },
  };
}

function jsonContent(schema: ApiSchema): object {
  return { "application/json": { schema } };
}
