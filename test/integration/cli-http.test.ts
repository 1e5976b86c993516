/** How the command line speaks HTTP, with servers that misbehave in every way that servers do. */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";

import { type Body, HttpExchange } from "../../nodes/cli/remote/http-exchange.ts";
import { RegistryClient } from "../../nodes/cli/remote/registry-client.ts";
import { CliError } from "../../nodes/cli/terminal/cli-error.ts";
import { digestOf } from "../../shared/digest.ts";
import { parseRepositoryName, parseTag } from "../../shared/reference.ts";
import { rejectionOf } from "../support/thrown-by.ts";

const NEVER = new AbortController().signal;
const REPO = parseRepositoryName("shop/api");
const servers: Server[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  }
});

async function serve(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<URL> {
  const server = createServer(answer);
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = addressOf(server.address());
  return new URL(`http://127.0.0.1:${port}/`);
}

function addressOf(address: string | AddressInfo | null): AddressInfo {
  if (address === null || typeof address === "string") throw new Error("a server on a port has one");
  return address;
}

function exchange(idleMs = 5_000, waits: string[] = []): HttpExchange {
  return new HttpExchange({ idleMs, onWait: (line) => waits.push(line) });
}

async function failureOf(action: Promise<unknown>): Promise<{ readonly exitCode: number; readonly text: string }> {
  const failure = await rejectionOf(action);
  if (!(failure instanceof CliError)) throw new Error("expected a failure that people understand", { cause: failure });
  return { exitCode: failure.exitCode, text: `${failure.message} (${failure.hint})` };
}

function streamOf(...chunks: readonly string[]): Body & { readonly kind: "stream"; readonly opened: () => number } {
  let opened = 0;
  return {
    kind: "stream",
    length: chunks.join("").length,
    opened: () => opened,
    async *open() {
      opened += 1;
      for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
    },
  };
}

describe("a server that is busy", () => {
  test("is asked again when it says, with the body from the start", async () => {
    const bodies: string[] = [];
    const waits: string[] = [];
    const url = await serve((request, response) => {
      request.setEncoding("utf8");
      let body = "";
      request.on("data", (chunk) => (body += String(chunk)));
      request.once("end", () => {
        bodies.push(body);
        if (bodies.length < 3) response.writeHead(bodies.length === 1 ? 429 : 503, { "retry-after": "0" }).end("later");
        else response.writeHead(201).end();
      });
    });
    const body = streamOf("one", "two");

    const answer = await exchange(5_000, waits).send({ method: "PUT", url, body }, NEVER);
    answer.discard();

    expect(answer.status).toBe(201);
    expect(bodies).toEqual(["onetwo", "onetwo", "onetwo"]);
    expect(body.opened()).toBe(3);
    expect(waits).toEqual([
      `${url.host} answers 429; trying again in 0ms`,
      `${url.host} answers 503; trying again in 0ms`,
    ]);
  });

  test("is not asked for ever, and its last word is what counts", async () => {
    let asked = 0;
    const url = await serve((_, response) => {
      asked += 1;
      response.writeHead(503, { "retry-after": "0" }).end(
        JSON.stringify({
          errors: [
            { code: "UNAVAILABLE", message: "no holder", detail: { holders: [{ node: "eu-1", region: "eu" }] } },
          ],
        }),
      );
    });
    const client = new RegistryClient(url, exchange());

    const failure = await failureOf(client.manifest(REPO, { kind: "tag", tag: parseTag("v1") }, NEVER));

    expect(asked).toBe(5);
    expect(failure).toEqual({
      exitCode: 8,
      text: "no holder (UNAVAILABLE) (held by eu-1 in eu, which cannot be reached now; meridian lag shows the links)",
    });
  });
});

describe("a server that falls silent", () => {
  test("before its answer is given up after the time without a byte", async () => {
    const url = await serve(() => undefined);

    expect(await failureOf(exchange(100).send({ method: "GET", url }, NEVER))).toMatchObject({ exitCode: 7 });
  });

  test("in the middle of a body is given up too, and slow progress is not silence", async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { "content-length": "6" });
      const isSilent = request.url === "/silent";
      let sent = 0;
      const timer = setInterval(() => {
        response.write("x");
        sent += 1;
        if (sent < (isSilent ? 2 : 6)) return;
        clearInterval(timer);
        if (!isSilent) response.end();
      }, 100);
    });
    const patient = exchange(300);

    const slow = await patient.send({ method: "GET", url }, NEVER);
    expect((await slow.bytes(10)).length).toBe(6);
    const silent = await patient.send({ method: "GET", url: new URL("/silent", url) }, NEVER);
    expect(await failureOf(silent.bytes(10))).toMatchObject({ exitCode: 7 });
  });
});

describe("a redirect", () => {
  test("of a read is followed, and one of a write is not", async () => {
    const url = await serve((request, response) => {
      if (request.url === "/there") response.end("here");
      else response.writeHead(307, { location: "/there" }).end();
    });

    const read = await exchange().send({ method: "GET", url }, NEVER);
    expect(Buffer.from(await read.bytes(10)).toString()).toBe("here");
    const write = await exchange().send(
      { method: "PUT", url, body: { kind: "bytes", bytes: Buffer.from("x") } },
      NEVER,
    );
    expect(write.status).toBe(307);
    write.discard();
  });

  test("that leads in a circle is given up", async () => {
    const url = await serve((_, response) => response.writeHead(302, { location: "/" }).end());

    expect((await failureOf(exchange().send({ method: "GET", url }, NEVER))).text).toContain("more than 5 redirects");
  });
});

describe("a connection", () => {
  test("that was kept alive and closed in the meantime costs nothing", async () => {
    const url = await serve((request, response) => {
      response.end("ok");
      // After the answer, and without a word, as a server does that has waited long enough.
      response.once("finish", () => setImmediate(() => request.socket.resetAndDestroy()));
    });
    const kept = exchange();

    for (let count = 0; count < 20; count += 1) {
      const answer = await kept.send({ method: "GET", url }, NEVER);
      expect((await answer.bytes(10)).length).toBe(2);
    }
  });

  test("that breaks in the middle of a body ends in a failure and never in fewer bytes", async () => {
    const url = await serve((request, response) => {
      response.writeHead(200, { "content-length": "100" });
      response.write("half");
      setImmediate(() => request.socket.destroy());
    });
    const answer = await exchange().send({ method: "GET", url }, NEVER);

    expect(await failureOf(answer.bytes(1000))).toMatchObject({ exitCode: 8 });
  });

  test("on which the answer comes before the body has been sent gives the answer", async () => {
    const url = await serve((request, response) => {
      response.writeHead(413, { connection: "close" }).end("too large");
      request.resume();
    });
    const endless: Body = {
      kind: "stream",
      length: 1e9,
      async *open() {
        while (true) yield await Promise.resolve(Buffer.alloc(64 * 1024));
      },
    };

    const answer = await exchange().send({ method: "PUT", url, body: endless }, NEVER);

    expect(answer.status).toBe(413);
    expect((await answer.bytes(100)).length).toBe(9);
  });

  test("is given up when the source of the body fails, with what the source said", async () => {
    const url = await serve((request) => request.resume());
    const body: Body = {
      kind: "stream",
      length: 10,
      async *open() {
        yield await Promise.resolve(Buffer.from("x"));
        throw new RangeError("the disk is gone");
      },
    };

    await expect(exchange().send({ method: "PUT", url, body }, NEVER)).rejects.toThrow("the disk is gone");
  });

  test("to what speaks no HTTP is explained", async () => {
    const server = (await import("node:net")).createServer((socket) => socket.end("SSH-2.0-OpenSSH\r\n"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = addressOf(server.address());

    const failure = await failureOf(
      exchange().send({ method: "GET", url: new URL(`http://127.0.0.1:${port}`) }, NEVER),
    );
    server.close();

    expect(failure).toMatchObject({ exitCode: 8, text: expect.stringContaining("does not speak HTTP") });
  });
});

describe("an answer", () => {
  test("that is larger than it may be is refused", async () => {
    const url = await serve((_, response) => response.end("x".repeat(1000)));
    const answer = await exchange().send({ method: "GET", url }, NEVER);

    expect((await failureOf(answer.bytes(100))).text).toContain("an answer of more than 100 bytes");
  });

  test.each([
    [401, 4],
    [403, 4],
    [404, 3],
    [405, 4],
    [409, 5],
    [412, 5],
    [500, 1],
    [504, 7],
  ])("of %s ends with %s", async (status, exitCode) => {
    const url = await serve((_, response) => response.writeHead(status).end("<html>"));
    const client = new RegistryClient(url, exchange());

    expect(await failureOf(client.manifest(REPO, { kind: "tag", tag: parseTag("v1") }, NEVER))).toMatchObject({
      exitCode,
    });
  });
});

describe("a registry", () => {
  test("that serves other bytes than it names is found out", async () => {
    const url = await serve((_, response) =>
      response.writeHead(200, { "docker-content-digest": digestOf(Buffer.from("a")) }).end("b"),
    );
    const client = new RegistryClient(url, exchange());
    const byTag = { kind: "tag", tag: parseTag("v1") } as const;
    const byDigest = { kind: "digest", digest: digestOf(Buffer.from("c")) } as const;

    expect((await failureOf(client.manifest(REPO, byTag, NEVER))).text).toContain(
      "the manifest's bytes are not sha256:",
    );
    expect((await failureOf(client.manifest(REPO, byDigest, NEVER))).text).toContain(
      "the manifest's bytes are not sha256:",
    );
  });

  test("that pages its tags is asked for every page", async () => {
    const url = await serve((request, response) => {
      const isSecond = request.url?.includes("last=b") ?? false;
      if (!isSecond) response.setHeader("link", '</v2/shop/api/tags/list?n=1000&last=b>; rel="next"');
      response.end(JSON.stringify({ name: "shop/api", tags: isSecond ? ["c"] : ["a", "b"] }));
    });

    expect(await Array.fromAsync(new RegistryClient(url, exchange()).tags(REPO, NEVER))).toEqual(["a", "b", "c"]);
  });

  test("that breaks an upload gets the blob again, from the start", async () => {
    const bytes = Buffer.alloc(300_000, "x");
    const digest = digestOf(bytes);
    const received: number[] = [];
    const url = await serve((request, response) => {
      if (request.method === "HEAD") response.writeHead(404).end();
      else if (request.method === "POST") response.writeHead(202, { location: "/upload?state=1" }).end();
      else if (received.length === 0) {
        received.push(0);
        request.socket.destroy();
      } else {
        let length = 0;
        request.on("data", (chunk: Uint8Array) => (length += chunk.length));
        request.once("end", () => {
          received.push(length);
          response.writeHead(request.url === `/upload?state=1&digest=${encodeURIComponent(digest)}` ? 201 : 400).end();
        });
      }
    });
    const descriptor = {
      mediaType: "application/octet-stream",
      digest,
      size: bytes.length,
      urls: [],
      artifactType: undefined,
      annotations: undefined,
      platform: undefined,
    };
    const offer = {
      descriptor,
      async *open() {
        yield await Promise.resolve(bytes);
      },
    };

    expect(await new RegistryClient(url, exchange()).putBlob(REPO, offer, undefined, NEVER)).toBe("sent");
    expect(received).toEqual([0, bytes.length]);
  });
});
