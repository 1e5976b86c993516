import { describe, expect, test } from "vitest";

import { baseOf } from "../../../nodes/cli/remote/server-address.ts";
import { VERSION } from "../../../shared/version.ts";
import { type } from "../../support/cli-session.ts";

/** Nobody listens on port 1 of a machine that runs tests. */
const NOBODY = "127.0.0.1:1";

describe("a mistake in the words", () => {
  test.each([
    [[], "Usage: meridian"],
    [["psuh"], "did you mean meridian push?"],
    [["frobnicate"], "meridian --help lists the commands"],
    [["--format", "json", "status"], "a command comes before --format"],
    [["push"], "missing required argument 'source'"],
    [["push", "sample:a", "b", "c"], "too many arguments"],
    [["status", "--fromat", "json"], "Did you mean --format?"],
    [["status", "--format", "xml"], "Allowed choices are table, json, yaml"],
    [["status", "--timeout", "5"], "Write a number with a unit"],
    [["status", "--server", "ftp://x"], "write http://HOST:PORT"],
    [["wait", `${NOBODY}/a:1`, "--level", "here"], "Allowed choices are known, pullable, resident"],
    [["push", "hello", `${NOBODY}/a:1`], "write oci:DIR, docker-archive:FILE or sample:NAME"],
    [["push", "sample:Hello", `${NOBODY}/a:1`], "write sample:hello"],
    [["push", "sample:a:10", `${NOBODY}/a:1`], "write a size with its unit"],
    [["push", "sample:a:5TiB", `${NOBODY}/a:1`], "at most 4GiB"],
    [["push", "sample:a", "http://x/a:1"], "leave out http://"],
    [["push", "sample:a", `${NOBODY}/A:1`], "must be in lower case: a"],
    [["pull", `${NOBODY}/a:1`, "sample:a"], "write oci:DIR or docker-archive:FILE"],
    [["tag", `${NOBODY}/a:1`, "not/a/tag"], "name the repository in the first word only"],
    [["rm", `${NOBODY}/a`], `to remove the tag latest, write ${NOBODY}/a:latest`],
    [["history", `${NOBODY}/a@sha256:${"0".repeat(64)}`], "only tags have a history"],
    [["lab", "up", "--regions", "eu,eu"], "write different names"],
    [["lab", "up", "--port-base", "x"], "write a number up to"],
  ])("%j ends with 2 and says what would be right", async (words, hint) => {
    const { exitCode, out, err } = await type(words);

    expect({ exitCode, out }).toEqual({ exitCode: 2, out: "" });
    expect(err).toContain(hint);
  });
});

describe("a failure", () => {
  test("tells what happened, where, and what to try", async () => {
    expect(await type(["digest", `${NOBODY}/a:1`])).toEqual({
      exitCode: 8,
      out: "",
      err: [
        `meridian digest: ${NOBODY} refuses connections`,
        `  where: http://${NOBODY}/v2/a/manifests/1`,
        "  try:   is a node running there? `meridian serve` or `make demo` starts one",
        "",
      ].join("\n"),
    });
  });

  test.each([
    ["push", "sample:a", `${NOBODY}/a:1`],
    ["pull", `${NOBODY}/a:1`, "oci:/tmp/never-made"],
    ["copy", `${NOBODY}/a:1`, `${NOBODY}/b:1`],
    ["tag", `${NOBODY}/a:1`, "2"],
    ["inspect", `${NOBODY}/a:1`],
    ["rm", `${NOBODY}/a:1`],
    ["tags", `${NOBODY}/a`],
    ["history", `${NOBODY}/a:1`],
    ["replication", `${NOBODY}/a:1`],
    ["wait", `${NOBODY}/a:1`],
    ["status", "--server", NOBODY],
    ["members", "--server", `http://${NOBODY}`],
    ["lag", "--server", NOBODY],
  ])("of %s to reach the server ends with 8", async (...words) => {
    const { exitCode, out } = await type(words);

    expect({ exitCode, out }).toEqual({ exitCode: 8, out: "" });
  });

  test("to find a file ends with 3", async () => {
    const { exitCode, err } = await type(["push", "oci:/never/there", `${NOBODY}/a:1`]);

    expect(exitCode).toBe(3);
    expect(err).toContain("where: /never/there/oci-layout");
  });

  test.each(["down", "status", "heal", "cut eu us", "kill eu"])(
    "of lab %s for want of a lab ends with 8",
    async (words) => {
      const { exitCode, err } = await type(["lab", ...words.split(" ")]);

      expect(exitCode).toBe(8);
      expect(err).toContain("meridian lab up --detach starts one");
    },
  );

  test("by Ctrl-C ends with 130 and says no more than that", async () => {
    const stopped = new AbortController();
    stopped.abort();

    expect(await type(["digest", `${NOBODY}/a:1`], { signal: stopped.signal })).toEqual({
      exitCode: 130,
      out: "",
      err: "\ninterrupted\n",
    });
  });

  test("is red on a terminal, unless NO_COLOR is set", async () => {
    const words = ["digest", `${NOBODY}/a:1`];
    const coloured = await type(words, { isTerminal: true });
    const plain = await type(words, { isTerminal: true, environment: { NO_COLOR: "1" } });

    expect(coloured.err).toContain("\u001b[31m");
    expect(plain.err).not.toContain("\u001b");
  });
});

describe("the server that is asked", () => {
  test("is 127.0.0.1:5000 when nobody says another", async () => {
    const { err } = await type(["status", "--timeout", "1ms"]);

    expect(err).toContain("http://127.0.0.1:5000/");
  });

  test("is what MERIDIAN_SERVER says, and before that what --server says", async () => {
    const environment = { MERIDIAN_SERVER: "http://127.0.0.1:2" };

    expect((await type(["status"], { environment })).err).toContain("http://127.0.0.1:2/");
    expect((await type(["status", "--server", NOBODY], { environment })).err).toContain(`http://${NOBODY}/`);
    expect((await type(["tags", "shop/api"], { environment })).err).toContain("http://127.0.0.1:2/v2/shop/api/");
  });

  test.each([
    ["127.0.0.1:5001", undefined, "http://127.0.0.1:5001"],
    ["localhost:5001", undefined, "http://localhost:5001"],
    ["[::1]:5001", undefined, "http://[::1]:5001"],
    ["registry.example.com", undefined, "https://registry.example.com"],
    ["10.0.0.7:5000", undefined, "https://10.0.0.7:5000"],
    ["10.0.0.7:5000", true, "http://10.0.0.7:5000"],
  ])("%s, with --plain-http %s, is spoken to as %s", (host, isPlainHttp, origin) => {
    expect(baseOf(host, isPlainHttp).origin).toBe(origin);
  });
});

describe("version", () => {
  test("is one line, or a value with --format", async () => {
    expect(await type(["version"])).toEqual({ exitCode: 0, out: `${VERSION}\n`, err: "" });
    expect(JSON.parse((await type(["version", "--format", "json"])).out)).toEqual({
      version: VERSION,
      node: process.version,
    });
    expect((await type(["version", "--format", "yaml"])).out).toBe(`version: ${VERSION}\nnode: ${process.version}\n`);
  });
});
