import { describe, expect, test } from "vitest";
import { greetingToMessage } from "../../nodes/rpc/convert.ts";
import { loadProto } from "../../nodes/rpc/load-proto.ts";
import { RegistryError } from "../../shared/errors.ts";
import { parseClusterId } from "../../shared/identity.ts";
import { MANIFEST_DESCRIPTORS_MAX, RPC_MESSAGE_BYTES_MAX } from "../../shared/limits.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { framed, rawCall } from "../support/raw-grpc.ts";
import {
  calls,
  collect,
  EU_ORIGIN,
  failureOf,
  greeting,
  held,
  LAYER,
  NEVER,
  PUBLISHED,
  PULLED,
  Rpc,
} from "../support/rpc-fixture.ts";

const REPO = parseRepositoryName("library/nginx");
const TAG = { kind: "tag", tag: parseTag("1.27") } as const;
const DIGEST = { kind: "digest", digest: LAYER } as const;

const INVALID_ARGUMENT = 3;
const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNAUTHENTICATED = 16;

const proto = loadProto();
const greetingBytes = proto.control.Greet.requestSerialize(greetingToMessage(greeting("us-1")));
const GREETED = { "meridian-greeting-bin": greetingBytes.toString("base64") };

describe("a call to a peer", () => {
  test("takes its arguments there and its answer back unchanged", async () => {
    await using rpc = new Rpc();
    const heard: unknown[] = [];
    const answers = calls();
    const { address } = await rpc.serve({
      greet: async (from, signal) => {
        heard.push(["greet", from]);
        return await answers.greet(from, signal);
      },
      report: answers.report,
      probe: answers.probe,
      probeFor: answers.probeFor,
      tellMembers: answers.tellMembers,
      compareMembers: answers.compareMembers,
      replicate: async function* replicate(acks, signal) {
        for await (const ack of acks) heard.push(ack);
        yield* answers.replicate(acks, signal);
      },
      pull: (have, signal) => {
        heard.push(["pull", have.entries()]);
        return answers.pull(have, signal);
      },
      lookup: async (...said) => {
        heard.push(["lookup", ...said.slice(0, 2)]);
        return await answers.lookup(...said);
      },
      describeImage: async (...said) => {
        heard.push(["describeImage", ...said.slice(0, 2)]);
        return await answers.describeImage(...said);
      },
      audit: async (...said) => {
        heard.push(["audit", said[0]]);
        return await answers.audit(...said);
      },
      auditLane: (...said) => {
        heard.push(["auditLane", ...said.slice(0, 2)]);
        return answers.auditLane(...said);
      },
      have: async (...said) => {
        heard.push(["have", ...said.slice(0, 2)]);
        return await answers.have(...said);
      },
      readBlob: (...said) => {
        heard.push(["readBlob", ...said.slice(0, 2)]);
        return answers.readBlob(...said);
      },
    });
    const link = rpc.dial(address);
    const mine = held({ origin: EU_ORIGIN, seq: 1 }, { origin: EU_ORIGIN, seq: 9 });
    async function* twoAcks(): AsyncGenerator<{ readonly kind: "ack"; readonly held: typeof mine }, void> {
      yield { kind: "ack", held: mine };
      yield { kind: "ack", held: held() };
    }

    const answered = [
      await link.greet(greeting("us-1", { boot: 4 }), NEVER),
      await link.report(NEVER),
      await collect(link.replicate(twoAcks(), NEVER)),
      await collect(link.pull(mine, NEVER)),
      await link.lookup(REPO, TAG, NEVER),
      await link.describeImage(REPO, DIGEST, NEVER),
      await link.audit({ kind: "groups", root: 2n ** 127n + 5n }, NEVER),
      await link.audit({ kind: "lanes", groups: [0, 63] }, NEVER),
      await collect(link.auditLane(4_095, [1n, 2n ** 128n - 1n], NEVER)),
      await link.have(undefined, [LAYER], NEVER),
      await link.have(REPO, [], NEVER),
      await collect(link.readBlob(LAYER, 2 ** 40, NEVER)),
    ];

    expect(answered).toEqual([
      await answers.greet(greeting("us-1"), NEVER),
      await answers.report(NEVER),
      PUBLISHED,
      PULLED,
      await answers.lookup(REPO, TAG, NEVER),
      await answers.describeImage(REPO, DIGEST, NEVER),
      await answers.audit({ kind: "groups", root: 2n ** 127n + 5n }, NEVER),
      await answers.audit({ kind: "lanes", groups: [0, 63] }, NEVER),
      await collect(answers.auditLane(4_095, [1n, 2n ** 128n - 1n], NEVER)),
      await answers.have(undefined, [LAYER], NEVER),
      [],
      [new Uint8Array([1, 2]), new Uint8Array([3])],
    ]);
    expect(heard).toEqual([
      ["greet", greeting("us-1", { boot: 4 })],
      { kind: "ack", held: mine },
      { kind: "ack", held: held() },
      ["pull", mine.entries()],
      ["lookup", REPO, TAG],
      ["describeImage", REPO, DIGEST],
      ["audit", { kind: "groups", root: 2n ** 127n + 5n }],
      ["audit", { kind: "lanes", groups: [0, 63] }],
      ["auditLane", 4_095, [1n, 2n ** 128n - 1n]],
      ["have", undefined, [LAYER]],
      ["have", REPO, []],
      ["readBlob", LAYER, 2 ** 40],
    ]);
  });

  test("tells the peer who calls", async () => {
    await using rpc = new Rpc();
    const callers: unknown[] = [];
    const { address } = await rpc.serve((caller) => {
      callers.push(caller);
      return calls();
    });

    await rpc.dial(address).report(NEVER);
    await rpc.dial(address, greeting("us-2", { protocol: { min: 2, max: 9 } })).report(NEVER);

    expect(callers).toEqual([greeting("us-1"), greeting("us-2", { protocol: { min: 2, max: 9 } })]);
  });

  test("may be large, both ways, up to the limit of one message", async () => {
    await using rpc = new Rpc();
    const large = "x".repeat(RPC_MESSAGE_BYTES_MAX - 1_000);
    const { address } = await rpc.serve(calls({ greet: async (said) => said }));

    const said = await rpc.dial(address).greet(greeting("us-1", { version: large }), NEVER);

    expect(said.version.length).toBe(large.length);
  });

  test("is counted on both sides by how it ended", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    const link = rpc.dial(address);

    await link.greet(greeting("us-1"), NEVER);
    await collect(link.pull(held(), NEVER));
    await failureOf(link.report(AbortSignal.abort()));

    expect(rpc.client.counts).toEqual({
      "Control/Greet client OK": 1,
      "Metadata/Pull client OK": 1,
      "Control/Report client CANCELLED": 1,
    });
    expect(rpc.server.counts).toEqual({ "Control/Greet server OK": 1, "Metadata/Pull server OK": 1 });
  });
});

describe("a peer refuses", () => {
  test("a node of another cluster, whatever it asks", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(() => {
      throw new Error("a stranger reached the service");
    });
    const link = rpc.dial(address, greeting("us-1", { cluster: parseClusterId("other") }));

    const failures = [
      await failureOf(link.greet(greeting("us-1"), NEVER)),
      await failureOf(collect(link.readBlob(LAYER, 0, NEVER))),
    ];

    expect(failures.map(({ kind, message }) => [kind, message])).toEqual([
      ["refused", "9 FAILED_PRECONDITION: eu-1 belongs to cluster meridian, us-1 to other"],
      ["refused", "9 FAILED_PRECONDITION: eu-1 belongs to cluster meridian, us-1 to other"],
    ]);
    expect(rpc.server.counts).toEqual({
      "Control/Greet server FAILED_PRECONDITION": 1,
      "Blobs/Read server FAILED_PRECONDITION": 1,
    });
  });

  test.each([
    { min: 3, max: 4 },
    { min: 9, max: 9 },
  ])("a node that speaks only the protocol versions $min to $max", async (protocol) => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());

    const failure = await failureOf(rpc.dial(address, greeting("us-1", { protocol })).report(NEVER));

    expect([failure.kind, failure.message]).toEqual([
      "refused",
      `9 FAILED_PRECONDITION: no protocol version in common: eu-1 speaks 1 to 2, us-1 ${protocol.min} to ${protocol.max}`,
    ]);
  });

  test("a caller who does not say who it is", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());

    const { status, message } = await rawCall({
      address,
      path: "/meridian.v1.Control/Report",
      body: framed(new Uint8Array()),
    });

    expect([status, message]).toEqual([UNAUTHENTICATED, "the caller does not say who it is"]);
  });

  test.each([
    ["no message", Buffer.from([0xff, 0xff, 0xff])],
    ["empty", Buffer.alloc(0)],
    ["of no origin", greetingWith({ origin: "00" })],
    ["of no node", greetingWith({ node: "../eu" })],
    ["of no region", greetingWith({ region: "" })],
    ["of no nonce", greetingWith({ nonce: "0" })],
    ["of a start before the first", greetingWith({ boot: 0 })],
    ["of a start beyond every number", greetingWith({ boot: "18446744073709551615" })],
    ["of a protocol range that runs downwards", greetingWith({ protocolMin: 2, protocolMax: 1 })],
  ])("a greeting that is %s", async (_what, said) => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());

    const { status } = await rawCall({
      address,
      path: "/meridian.v1.Control/Report",
      headers: { "meridian-greeting-bin": said.toString("base64") },
      body: framed(new Uint8Array()),
    });

    expect(status).toBe(INVALID_ARGUMENT);
  });

  test.each([
    ["Blobs/Read", proto.blobs.Read.requestSerialize({ digest: "sha256:abc" })],
    ["Blobs/Read", proto.blobs.Read.requestSerialize({ digest: LAYER, offset: "18446744073709551615" })],
    ["Blobs/Have", proto.blobs.Have.requestSerialize({ digests: ["md5:00"] })],
    ["Blobs/Have", proto.blobs.Have.requestSerialize({ repository: "UPPER", digests: [] })],
    ["Blobs/Have", proto.blobs.Have.requestSerialize({ digests: Array(MANIFEST_DESCRIPTORS_MAX + 1).fill(LAYER) })],
    ["Metadata/Lookup", proto.metadata.Lookup.requestSerialize({ repository: "a//b", reference: "latest" })],
    ["Metadata/Lookup", proto.metadata.Lookup.requestSerialize({ repository: "a/b", reference: "sha256:short" })],
    ["Metadata/DescribeImage", proto.metadata.DescribeImage.requestSerialize({ repository: "a/b", reference: "-x" })],
    ["Metadata/Pull", proto.metadata.Pull.requestSerialize({ have: Buffer.from([9, 9]) })],
    ["Metadata/Pull", proto.metadata.Pull.requestSerialize({})],
    ["Metadata/Replicate", proto.metadata.Replicate.requestSerialize({})],
    ["Metadata/Replicate", proto.metadata.Replicate.requestSerialize({ ack: { held: Buffer.from([1]) } })],
  ])("a malformed request of %s, and counts it", async (method, message) => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(
      calls({
        replicate: async function* replicate(acks) {
          await collect(acks);
          yield* PUBLISHED;
        },
      }),
    );

    const answer = await rawCall({ address, path: `/meridian.v1.${method}`, headers: GREETED, body: framed(message) });

    expect(answer.status).toBe(INVALID_ARGUMENT);
    expect(rpc.server.counts).toEqual({ [`${method} server INVALID_ARGUMENT`]: 1 });
  });

  test("a request larger than the limit", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    const body = framed(new Uint8Array());
    body.writeUInt32BE(RPC_MESSAGE_BYTES_MAX + 1, 1);

    const answer = await rawCall({ address, path: "/meridian.v1.Control/Report", headers: GREETED, body });

    expect(answer.status).toBe(RESOURCE_EXHAUSTED);
  });
});

describe("what a peer fails at reaches the caller", () => {
  test("as a refusal with its code, when the registry has one", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(
      calls({
        lookup: async () => {
          throw new RegistryError("UNAVAILABLE", { holders: ["us-1"] });
        },
        readBlob: async function* readBlob() {
          yield new Uint8Array([1]);
          throw new RegistryError("BLOB_UNKNOWN");
        },
      }),
    );
    const link = rpc.dial(address);
    const bytes: Uint8Array[] = [];
    const read = async (): Promise<void> => {
      for await (const chunk of link.readBlob(LAYER, 0, NEVER)) bytes.push(chunk);
    };

    const failures = [await failureOf(link.lookup(REPO, TAG, NEVER)), await failureOf(read())];

    expect(failures.map(({ kind, code, message }) => [kind, code, message])).toEqual([
      ["refused", "UNAVAILABLE", "14 UNAVAILABLE: known, but no holder can be reached now"],
      ["refused", "BLOB_UNKNOWN", "5 NOT_FOUND: blob unknown to registry"],
    ]);
    expect(bytes).toEqual([new Uint8Array([1])]);
  });

  test("as a failure without a word about its inside, when nobody foresaw it", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(
      calls({
        report: async () => {
          throw new TypeError("secret of the house");
        },
        pull: async function* pull() {
          yield* PULLED.slice(0, 1);
          throw new TypeError("secret of the house");
        },
      }),
    );
    const link = rpc.dial(address);

    const failures = [await failureOf(link.report(NEVER)), await failureOf(collect(link.pull(held(), NEVER)))];

    expect(failures.map(({ kind, code, message }) => [kind, code, message])).toEqual([
      ["failed", undefined, "13 INTERNAL: the call failed"],
      ["failed", undefined, "13 INTERNAL: the call failed"],
    ]);
    expect(rpc.server.logged).toEqual(["a call from a peer failed", "a call from a peer failed"]);
    expect(rpc.server.counts).toEqual({ "Control/Report server INTERNAL": 1, "Metadata/Pull server INTERNAL": 1 });
  });

  test("as a failure, when its answer is malformed", async () => {
    await using rpc = new Rpc();
    const report = { ...(await calls().report(NEVER)), stateHash: "not hex" };
    const { address } = await rpc.serve(calls({ report: async () => report }));

    const { kind, message } = await failureOf(rpc.dial(address).report(NEVER));

    expect([kind, message]).toEqual(["failed", "the peer's answer is malformed"]);
    expect(rpc.client.logged).toEqual(["a peer's answer is malformed"]);
    expect(rpc.client.counts).toEqual({ "Control/Report client INTERNAL": 1 });
  });

  test("as a failure, when its answer is larger than the limit, and the connection goes on", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls({ lookup: async () => [new Uint8Array(RPC_MESSAGE_BYTES_MAX)] }));
    const link = rpc.dial(address);
    const pulling = link.pull(held(), NEVER)[Symbol.asyncIterator]();
    const first = await pulling.next();

    const { kind, message } = await failureOf(link.lookup(REPO, TAG, NEVER));
    const second = await pulling.next();

    expect([kind, message]).toEqual(["failed", expect.stringContaining("RESOURCE_EXHAUSTED: Sent message larger")]);
    expect([first.value, second.value]).toEqual(PULLED.slice(0, 2));
    await pulling.return?.();
  });
});

test("a question larger than the limit never leaves", async () => {
  await using rpc = new Rpc();
  const { address } = await rpc.serve(calls());
  const link = rpc.dial(address);

  const failure = await failureOf(link.greet(greeting("us-1", { version: "x".repeat(RPC_MESSAGE_BYTES_MAX) }), NEVER));
  await link.report(NEVER);

  expect([failure.kind, failure.message]).toEqual(["failed", expect.stringContaining("RESOURCE_EXHAUSTED: Attempted")]);
  expect(rpc.server.counts).toEqual({ "Control/Report server OK": 1 });
});

describe("the health of a peer listener", () => {
  test.each(["", "meridian.v1.Control", "meridian.v1.Metadata", "meridian.v1.Blobs"])(
    "is told for %j to whoever asks",
    async (service) => {
      await using rpc = new Rpc();
      const { address } = await rpc.serve(calls());
      const body = framed(proto.health.Check.requestSerialize({ service }));

      const { status, bodies } = await rawCall({ address, path: "/grpc.health.v1.Health/Check", body });

      expect([status, bodies.map((bytes) => proto.health.Check.responseDeserialize(bytes))]).toEqual([
        0,
        [{ status: "SERVING" }],
      ]);
    },
  );

  test("is not told for a service that it does not have", async () => {
    await using rpc = new Rpc();
    const { address } = await rpc.serve(calls());
    const body = framed(proto.health.Check.requestSerialize({ service: "meridian.v1.Gossip" }));

    const { status } = await rawCall({ address, path: "/grpc.health.v1.Health/Check", body });

    expect(status).toBe(NOT_FOUND);
  });

  test("turns when the listener stops, and watchers hear of it", async () => {
    await using rpc = new Rpc();
    const server = await rpc.serve(calls());
    const body = framed(proto.health.Watch.requestSerialize({ service: "" }));
    const told = Promise.withResolvers<undefined>();
    const watching = rawCall({
      address: server.address,
      path: "/grpc.health.v1.Health/Watch",
      body,
      onAnswered: () => told.resolve(undefined),
    });
    await told.promise;

    await server.stop(1_000);

    const { status, bodies } = await watching;
    expect([status, bodies.map((bytes) => proto.health.Watch.responseDeserialize(bytes))]).toEqual([
      0,
      [{ status: "SERVING" }, { status: "NOT_SERVING" }],
    ]);
  });
});

function greetingWith(changes: Readonly<Record<string, string | number>>): Buffer {
  return proto.control.Greet.requestSerialize({ ...greetingToMessage(greeting("us-1")), ...changes });
}
