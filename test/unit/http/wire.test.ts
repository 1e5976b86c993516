import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, test } from "vitest";

import { HEADERS_MAX } from "../../../shared/limits.ts";
import { field, RawConnection, type RawReply, requestHead } from "../../support/raw-http.ts";
import { listen } from "./listening-node.ts";

const MIB = 1024 * 1024;

function codesOf({ body }: RawReply): unknown {
  const { errors }: { readonly errors: readonly { readonly code: unknown }[] } = JSON.parse(body.toString());
  return errors.map(({ code }) => code);
}

async function ask(port: number, method: string, target: string, headers: readonly string[] = []): Promise<RawReply> {
  using connection = await RawConnection.open(port);
  await connection.write(requestHead(method, target, headers));
  return await connection.reply(method);
}

async function openUpload(port: number): Promise<string> {
  const reply = await ask(port, "POST", "/v2/a/blobs/uploads/", ["Content-Length: 0"]);
  return field(reply, "location") ?? "";
}

describe("a request's head", () => {
  test.each([
    ["no Host", "GET /v2/ HTTP/1.1\r\n\r\n", 400],
    ["two Hosts", "GET /v2/ HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", 400],
    ["a coding that nobody undoes", "POST /v2/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400],
    ["an absolute target", "GET http://evil/v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["an asterisk", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["an encoded slash", "GET /v2/a%2fb/tags/list HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    [
      "a length and chunks",
      "POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
      400,
    ],
    ["two lengths", "POST /v2/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400],
    ["no HTTP at all", "\x16\x03\x01 hello\r\n\r\n", 400],
    ["a tunnel's wish", "CONNECT evil:443 HTTP/1.1\r\nHost: evil\r\n\r\n", 405],
    ["a method that nobody has", "BREW /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
    ["a method of another protocol", "PROPFIND /v2/ HTTP/1.1\r\nHost: a\r\n\r\n", 405],
  ])("with %s is refused in JSON", async (_, head, status) => {
    await using node = await listen();
    using connection = await RawConnection.open(node.port);

    await connection.write(head);
    const reply = await connection.reply();

    expect({ status: reply.status, type: field(reply, "content-type"), codes: codesOf(reply) }).toEqual({
      status,
      type: "application/json",
      codes: [expect.stringMatching(/^(?:UNSUPPORTED|NAME_INVALID)$/)],
    });
    expect(field(reply, "content-length")).toBe(String(reply.body.length));
  });

  test("of HTTP/1.0 needs no Host", async () => {
    await using node = await listen();
    using connection = await RawConnection.open(node.port);

    await connection.write("GET /v2/ HTTP/1.0\r\n\r\n");

    expect((await connection.reply()).status).toBe(200);
  });

  test("holds so many headers and no more, counted with those that Node would drop", async () => {
    await using node = await listen();
    const fill = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `X-${index}: 1`);

    // The one besides is Host.
    expect((await ask(node.port, "GET", "/v2/", fill(HEADERS_MAX - 1))).status).toBe(200);
    expect((await ask(node.port, "GET", "/v2/", fill(HEADERS_MAX))).status).toBe(431);
    expect((await ask(node.port, "GET", "/v2/", fill(5 * HEADERS_MAX))).status).toBe(431);
  });

  test("that is malformed is told so on a connection that was used before", async () => {
    await using node = await listen();
    using connection = await RawConnection.open(node.port);
    await connection.write(requestHead("GET", "/v2/"));
    expect((await connection.reply()).status).toBe(200);

    await connection.write("nonsense\r\n\r\n");

    expect((await connection.reply()).status).toBe(400);
  });

  test("of an unknown method tells which ones there are", async () => {
    await using node = await listen();

    const reply = await ask(node.port, "POST", "/v2/a/tags/list", ["Content-Length: 0"]);

    expect({ status: reply.status, allow: field(reply, "allow"), codes: codesOf(reply) }).toEqual({
      status: 405,
      allow: "GET, HEAD",
      codes: ["UNSUPPORTED"],
    });
  });
});

describe("a body that stops coming", () => {
  test("is given up, and the upload is as it was before", async () => {
    await using node = await listen({ idleMs: 50 });
    const upload = await openUpload(node.port);
    using connection = await RawConnection.open(node.port);

    await connection.write(`${requestHead("PATCH", upload, ["Content-Length: 100"])}only this`);
    const reply = await connection.reply();

    expect({ status: reply.status, codes: codesOf(reply) }).toEqual({ status: 408, codes: ["BLOB_UPLOAD_INVALID"] });
    expect(await connection.rest()).toHaveLength(0);
    expect(field(await ask(node.port, "GET", upload), "range")).toBe("0-0");
  });
});

describe("a refusal before the body was read", () => {
  test("reaches a client that is still sending, and ends the connection", async () => {
    await using node = await listen();
    using connection = await RawConnection.open(node.port);
    await connection.write(requestHead("PUT", "/v2/a/manifests/!", [`Content-Length: ${8 * MIB}`]));

    for (let sent = 0; sent < 8; sent += 1) await connection.write(Buffer.alloc(MIB));
    const reply = await connection.reply();

    expect({ status: reply.status, connection: field(reply, "connection"), codes: codesOf(reply) }).toEqual({
      status: 400,
      connection: "close",
      codes: ["MANIFEST_INVALID"],
    });
    expect(await connection.rest()).toHaveLength(0);
  });

  test("reads no more of it than it must: a client that sends for ever is cut off", async () => {
    await using node = await listen();
    const socket = connect({ host: "127.0.0.1", port: node.port });
    const { promise: closed, resolve: close } = Promise.withResolvers<undefined>();
    // However it comes to its end, by the server's close or by a reset.
    socket.on("error", () => undefined).on("close", () => close(undefined));
    socket.resume();

    socket.write(requestHead("PUT", "/v2/a/manifests/!", ["Transfer-Encoding: chunked"]));
    const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(MIB), Buffer.from("\r\n")]);
    const send = (): void => {
      if (socket.writable) socket.write(chunk, send);
    };
    send();

    await closed;
  });

  test("comes instead of 100 Continue, and 100 comes when the body is wanted", async () => {
    await using node = await listen();
    const upload = await openUpload(node.port);
    const expecting = ["Content-Length: 5", "Expect: 100-continue"];
    using refused = await RawConnection.open(node.port);
    using invited = await RawConnection.open(node.port);

    await refused.write(requestHead("PATCH", "/v2/A/blobs/uploads/x", expecting));
    await invited.write(requestHead("PATCH", upload, expecting));

    expect((await refused.reply()).status).toBe(400);
    expect((await invited.reply()).status).toBe(100);
    await invited.write("12345");
    const reply = await invited.reply();
    expect([reply.status, field(reply, "range")]).toEqual([202, "0-4"]);
  });
});

describe("an answer", () => {
  test("that breaks off in the middle ends in a broken connection, never in a clean end", async () => {
    let reads = 0;
    const fault = (operation: string): Error | undefined => {
      if (operation !== "read") return undefined;
      reads += 1;
      return reads > 2 ? new Error("EIO") : undefined;
    };
    await using node = await listen({ disk: { fault } });
    const path = await node.push("a", Buffer.alloc(MIB, 7));
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", path));

    await expect(connection.reply()).rejects.toThrow("the connection ended");
    expect(node.telemetry.told.filter(({ level }) => level === "error").map(({ event }) => event)).toEqual([
      "an answer broke off",
    ]);
  });

  test("that fails before its first byte is still told as an error", async () => {
    const fault = (operation: string): Error | undefined => (operation === "read" ? new Error("EIO") : undefined);
    await using node = await listen({ disk: { fault } });
    const path = await node.push("a", Buffer.alloc(MIB, 7));

    const reply = await ask(node.port, "GET", path);

    expect({ status: reply.status, codes: codesOf(reply) }).toEqual({ status: 500, codes: ["UNAVAILABLE"] });
  });

  test("to a reader who stops reading is given up", async () => {
    await using node = await listen({ idleMs: 100 });
    const path = await node.push("a", Buffer.alloc(64 * MIB, 7));
    const socket = connect({ host: "127.0.0.1", port: node.port });
    socket.on("error", () => undefined);
    await once(socket, "connect");

    socket.write(requestHead("GET", path));
    socket.pause();

    await expect
      .poll(() => node.telemetry.read("meridian_http_connections", { listener: "registry" }), { timeout: 5_000 })
      .toBe(0);
    socket.destroy();
  });

  test("to the second of two requests sent at once comes second", async () => {
    await using node = await listen();
    using connection = await RawConnection.open(node.port);

    await connection.write(requestHead("GET", "/v2/a/tags/list") + requestHead("GET", "/v2/"));

    expect((await connection.reply()).status).toBe(404);
    expect((await connection.reply()).status).toBe(200);
  });

  test.each([
    ["HEAD", "/v2/a/manifests/v1", 404],
    ["HEAD", "/v2/a/blobs/sha256:zz", 400],
    ["HEAD", "/v2/A/manifests/v1", 400],
    ["HEAD", "/nowhere", 404],
  ])(
    "that refuses a %s of %s has no body and tells no length, and leaves the connection in step",
    async (method, target, status) => {
      await using node = await listen();
      using connection = await RawConnection.open(node.port);
      await connection.write(requestHead(method, target) + requestHead("GET", "/v2/"));

      const reply = await connection.reply(method);

      expect([reply.status, field(reply, "content-length"), field(reply, "transfer-encoding")]).toEqual([
        status,
        undefined,
        undefined,
      ]);
      expect((await connection.reply()).status).toBe(200);
    },
  );
});

describe("a namespace that a mirror's client names", () => {
  test("is said back and changes nothing", async () => {
    await using node = await listen();
    const namespaceOf = async (query: string): Promise<string | undefined> =>
      field(await ask(node.port, "GET", `/v2/${query}`), "oci-namespace");

    expect(await namespaceOf("?ns=docker.io")).toBe("docker.io");
    expect(await namespaceOf("?ns=registry.example.com%3A5000")).toBe("registry.example.com:5000");
    expect(await namespaceOf("")).toBeUndefined();
    expect(await namespaceOf("?ns=")).toBeUndefined();
    expect(await namespaceOf("?ns=a%0d%0aX-Injected:%20b")).toBeUndefined();
  });
});

describe("what a node tells of its requests", () => {
  test("is one line and one sample each, by the route and never by what the client chose, without the query", async () => {
    await using node = await listen();

    await ask(node.port, "GET", "/v2/team/app/tags/list?last=secret", [
      "User-Agent: crane/1",
      "Authorization: Basic c2VjcmV0",
    ]);
    await ask(node.port, "GET", "/nowhere/secret/../x");
    await ask(node.opsPort, "GET", "/livez");

    const lines = node.telemetry.told.filter(({ event }) => event === "request");
    expect(lines.map(({ level, fields }) => ({ level, fields }))).toEqual([
      {
        level: "info",
        fields: {
          method: "GET",
          path: "/v2/team/app/tags/list",
          route: "/v2/<name>/tags/list",
          status: 404,
          code: "NAME_UNKNOWN",
          durationMs: expect.any(Number),
          receivedBytes: 0,
          sentBytes: expect.any(Number),
          remote: "127.0.0.1",
          userAgent: "crane/1",
          repository: "team/app",
        },
      },
      { level: "info", fields: expect.objectContaining({ route: "none", status: 400, code: "NAME_INVALID" }) },
      { level: "debug", fields: expect.objectContaining({ route: "/livez", status: 200 }) },
    ]);
    expect(JSON.stringify(lines)).not.toMatch(/last=|c2VjcmV0/);
    const series = { method: "GET", route: "/v2/<name>/tags/list" };
    expect(node.telemetry.read("meridian_http_requests_total", { ...series, code: "404" })).toBe(1);
    expect(node.telemetry.observed("meridian_http_request_duration_seconds", series)).toHaveLength(1);
    expect(node.telemetry.read("meridian_http_rejected_total", { reason: "target" })).toBe(1);
  });

  test("is said on the operators' listener: alive, started, ready, and why not", async () => {
    await using node = await listen();
    const text = async (target: string): Promise<readonly [number, string]> => {
      const { status, body } = await ask(node.opsPort, "GET", target);
      return [status, body.toString()];
    };

    expect(await text("/livez")).toEqual([200, "ok\n"]);
    expect(await text("/startupz")).toEqual([200, "ok\n"]);
    expect(await text("/readyz")).toEqual([200, "ok\n"]);
    expect(await text("/readyz?verbose")).toEqual([
      200,
      "[+] started\n[+] writes\n[+] identity\n[+] clock\n[+] leaving\n[+] membership\nok\n",
    ]);
    expect(await text("/healthz/region")).toEqual([200, "ok\n"]);
    expect(await text("/metrics")).toEqual([200, "up 1\n"]);
  });
});

describe("a node that stops", () => {
  test("finishes what it is answering, takes nothing new, and says that it is not ready", async () => {
    await using node = await listen();
    const upload = await openUpload(node.port);
    using uploading = await RawConnection.open(node.port);
    using idle = await RawConnection.open(node.port);
    await idle.write(requestHead("GET", "/v2/"));
    await idle.reply();
    await uploading.write(`${requestHead("PATCH", upload, ["Content-Length: 10"])}12345`);
    await expect.poll(() => node.telemetry.read("meridian_http_in_flight_requests")).toBe(1);

    const stopped = node.http.stop();
    expect(await idle.rest()).toHaveLength(0);
    const ready = await ask(node.opsPort, "GET", "/readyz");
    await uploading.write("67890");
    const reply = await uploading.reply();
    await stopped;

    expect([ready.status, ready.body.toString()]).toEqual([503, "[-] stopping: the node stops\nnot ready\n"]);
    expect([reply.status, field(reply, "range"), field(reply, "connection")]).toEqual([202, "0-9", "close"]);
    await expect(RawConnection.open(node.port)).rejects.toThrow("ECONNREFUSED");
  });

  test("waits for nobody longer than it must", async () => {
    await using node = await listen({ stopGraceMs: 50 });
    const upload = await openUpload(node.port);
    using uploading = await RawConnection.open(node.port);
    await uploading.write(`${requestHead("PATCH", upload, ["Content-Length: 10"])}12345`);
    await expect.poll(() => node.telemetry.read("meridian_http_in_flight_requests")).toBe(1);

    await node.http.stop();

    expect(await uploading.rest()).toHaveLength(0);
  });
});
