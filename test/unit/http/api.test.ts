import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, test } from "vitest";

import { digestOf } from "../../../shared/digest.ts";
import {
  type ApiSchema,
  ClusterSchema,
  ConflictsSchema,
  ErrorsSchema,
  HistorySchema,
  LagSchema,
  ReplicationSchema,
  RepositoriesSchema,
  TagsSchema,
  VerifyOutcomeSchema,
  WaitOutcomeSchema,
} from "../../../shared/management-api.ts";
import { OCI_IMAGE_INDEX } from "../../../shared/media-types.ts";
import { type ListeningNode, listen } from "./listening-node.ts";

const ajv = new Ajv2020({ strict: false });

type Told = { readonly status: number; readonly value: unknown };

async function ask(node: ListeningNode, path: string, body?: unknown): Promise<Told> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const url = `http://127.0.0.1:${node.port}/api/v1/${path}`;
  const reply = await fetch(url, body === undefined ? {} : { method: "POST", body: text });
  return { status: reply.status, value: await reply.json() };
}

/** The answer, which keeps to its published schema: no field is missing, and none is there that nobody has heard of. */
async function askBy(schema: ApiSchema, node: ListeningNode, path: string, body?: unknown): Promise<unknown> {
  const { status, value } = await ask(node, path, body);
  expect({ status, errors: problemsOf({ ...schema, unevaluatedProperties: false }, value) }).toEqual({
    status: 200,
    errors: [],
  });
  return value;
}

function problemsOf(schema: object, value: unknown): unknown {
  const validate = ajv.compile(schema);
  validate(value);
  return validate.errors ?? [];
}

const EMPTY_INDEX = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: OCI_IMAGE_INDEX, manifests: [] }));
const OTHER_INDEX = Buffer.from(`${EMPTY_INDEX.toString()} `);

async function pushIndex(node: ListeningNode, repo: string, tag: string, bytes = EMPTY_INDEX): Promise<string> {
  const reply = await fetch(`http://127.0.0.1:${node.port}/v2/${repo}/manifests/${tag}`, {
    method: "PUT",
    headers: { "Content-Type": OCI_IMAGE_INDEX },
    body: bytes,
  });
  expect(reply.status).toBe(201);
  return digestOf(bytes);
}

const WRITTEN = {
  at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  node: "eu-1",
  region: "eu",
  actor: "anonymous",
};

describe("the management API", () => {
  test("tells of the cluster", async () => {
    await using node = await listen();
    await pushIndex(node, "team/app", "v1");

    expect(await askBy(ClusterSchema, node, "cluster")).toEqual({
      cluster: "meridian",
      node: "eu-1",
      region: "eu",
      members: [
        {
          node: "eu-1",
          region: "eu",
          address: "127.0.0.1:1",
          registry: "http://127.0.0.1:1",
          version: expect.any(String),
          self: true,
          status: "alive",
          statusForMs: expect.any(Number),
          incarnation: 1,
          role: "full",
          reachability: "reachable",
          roundTripMs: 0,
          forMs: expect.any(Number),
          uptimeMs: expect.any(Number),
          repositories: 1,
          tags: 1,
          stateHash: expect.stringMatching(/^[0-9a-f]{32}$/),
        },
      ],
    });
    expect(await askBy(LagSchema, node, "cluster/lag")).toEqual({ entries: [] });
  });

  test("tells how far an image has come, by tag, by digest, with or without a registry in front", async () => {
    await using node = await listen();
    const digest = await pushIndex(node, "team/app", "latest");
    const told = (image: string): unknown => ({
      image,
      digest,
      regions: [{ region: "eu", level: "resident", partsMissing: 0, bytesMissing: 0, bytesTotal: EMPTY_INDEX.length }],
      unheard: [],
    });

    for (const image of ["team/app:latest", "team/app", `team/app@${digest}`, "127.0.0.1:5001/team/app"]) {
      const query = `replication?image=${encodeURIComponent(image)}`;
      expect(await askBy(ReplicationSchema, node, query)).toEqual(told(image));
    }
    expect(await ask(node, "replication?image=UPPER")).toEqual({
      status: 400,
      value: { errors: [expect.objectContaining({ code: "NAME_INVALID" })] },
    });
    expect((await ask(node, "replication")).status).toBe(400);
  });

  test("compares a node that is alone with nobody, and refuses what is no question", async () => {
    await using node = await listen();

    expect(await askBy(VerifyOutcomeSchema, node, "verify", {})).toEqual({ node: "eu-1", nodes: [] });
    expect((await ask(node, "verify", { timeoutMs: -1 })).status).toBe(400);
    expect((await ask(node, "verify", { timeoutMs: 300_001 })).status).toBe(400);
    expect((await ask(node, "verify", { deadline: 1 })).status).toBe(400);
  });

  test("lets go no origin that is not kept aside", async () => {
    await using node = await listen();

    expect(await ask(node, "release", { origin: "01a00cc2937126aa" })).toEqual({
      status: 404,
      value: {
        errors: [
          {
            code: "NAME_UNKNOWN",
            message: "no such origin is parked on this node",
            detail: { origin: "01a00cc2937126aa" },
          },
        ],
      },
    });
    expect((await ask(node, "release", { origin: 1 })).status).toBe(400);
  });

  test("refuses decisions about members that are nobody's to make here", async () => {
    await using node = await listen();
    const change = async (body: string): Promise<{ readonly status: number; readonly value: unknown }> =>
      await ask(node, "members", body);

    expect((await change('{"node":"us-1","action":"evict"}')).status).toBe(404);
    expect((await change('{"node":"eu-1","action":"evict"}')).status).toBe(409);
    expect((await change('{"node":"eu-1","action":"forget"}')).status).toBe(400);
  });

  test("waits until an image has come somewhere, and says so when it has not", async () => {
    await using node = await listen();
    await pushIndex(node, "team/app", "v1");
    const request = { image: "team/app:v1", regions: ["eu"], level: "resident", timeoutMs: 1_000 };

    expect(await askBy(WaitOutcomeSchema, node, "wait", request)).toMatchObject({ reached: true });
    const late = { ...request, regions: ["eu", "us"], timeoutMs: 0 };
    expect(await askBy(WaitOutcomeSchema, node, "wait", late)).toMatchObject({ reached: false });
  });

  test.each([
    ["no JSON", "nonsense"],
    ["no object", "[]"],
    ["nothing", {}],
    ["an unknown field", { image: "a:v1", regions: "all", level: "known", timeoutMs: 0, force: true }],
    ["a level that is none", { image: "a:v1", regions: "all", level: "unknown", timeoutMs: 0 }],
    ["no region", { image: "a:v1", regions: [], level: "known", timeoutMs: 0 }],
    ["a region that is no name", { image: "a:v1", regions: ["EU!"], level: "known", timeoutMs: 0 }],
    ["a time for ever", { image: "a:v1", regions: "all", level: "known", timeoutMs: 1e12 }],
  ])("refuses to wait for %s", async (_, body) => {
    await using node = await listen();

    const { status, value } = await ask(node, "wait", body);

    expect({ status, problems: problemsOf(ErrorsSchema, value) }).toEqual({ status: 400, problems: [] });
    expect(value).toMatchObject({ errors: [{ code: "UNSUPPORTED" }] });
  });

  test("tells repositories and tags, page by page", async () => {
    await using node = await listen();
    const digest = await pushIndex(node, "b/app", "v1");
    await pushIndex(node, "b/app", "v2");
    await pushIndex(node, "a/app", "v1");

    expect(await askBy(RepositoriesSchema, node, "repositories?n=1")).toEqual({
      repositories: [{ name: "a/app" }],
      next: "a/app",
    });
    expect(await askBy(RepositoriesSchema, node, "repositories?n=1&last=a/app")).toEqual({
      repositories: [{ name: "b/app" }],
    });
    expect(await askBy(TagsSchema, node, "repositories/b/app/tags?n=1")).toEqual({
      name: "b/app",
      tags: [{ tag: "v1", digest, ...WRITTEN }],
      next: "v1",
    });
    expect((await ask(node, "repositories/c/app/tags")).status).toBe(404);
  });

  test("tells who moved a tag, newest first", async () => {
    await using node = await listen();
    const first = await pushIndex(node, "team/app", "v1");
    const second = await pushIndex(node, "team/app", "v1", OTHER_INDEX);
    await fetch(`http://127.0.0.1:${node.port}/v2/team/app/manifests/v1`, { method: "DELETE" });

    expect(await askBy(HistorySchema, node, "repositories/team/app/tags/v1/history")).toEqual({
      name: "team/app",
      tag: "v1",
      moves: [
        { ...WRITTEN, from: second, outcome: "current" },
        { ...WRITTEN, from: first, to: second, outcome: "replaced" },
        { ...WRITTEN, to: first, outcome: "replaced" },
      ],
    });
    expect((await ask(node, "repositories/team/app/tags/v2/history")).status).toBe(404);
    expect((await ask(node, "repositories/team/app/tags/!/history")).status).toBe(404);
    expect(await askBy(ConflictsSchema, node, "conflicts")).toEqual({ conflicts: [] });
  });

  test("publishes what it is as OpenAPI", async () => {
    await using node = await listen();

    const { status, value } = await ask(node, "openapi.json");

    expect(status).toBe(200);
    expect(value).toMatchObject({
      openapi: "3.1.0",
      paths: {
        "/api/v1/repositories/{name}/tags/{tag}/history": {
          get: {
            parameters: [
              { name: "name", in: "path" },
              { name: "tag", in: "path" },
            ],
          },
        },
        "/api/v1/wait": { post: { requestBody: { required: true } } },
      },
    });
  });
});
