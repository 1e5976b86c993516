import { describe, expect, test } from "vitest";

import { formatImageName, ImageNameError, parseImageName, referenceOf } from "../../../shared/image-name.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;

describe("an image's name", () => {
  test.each([
    ["127.0.0.1:5001/app", { registry: "127.0.0.1:5001", repo: "app" }],
    ["127.0.0.1:5001/team/app:1.2", { registry: "127.0.0.1:5001", repo: "team/app", tag: "1.2" }],
    ["localhost/app", { registry: "localhost", repo: "app" }],
    ["registry.example.com/app", { registry: "registry.example.com", repo: "app" }],
    ["[::1]:5001/app:x", { registry: "[::1]:5001", repo: "app", tag: "x" }],
    [`registry:5000/app@${DIGEST}`, { registry: "registry:5000", repo: "app", digest: DIGEST }],
    [`registry:5000/app:1@${DIGEST}`, { registry: "registry:5000", repo: "app", tag: "1", digest: DIGEST }],
    ["app", { repo: "app" }],
    ["app:5000", { repo: "app", tag: "5000" }],
    ["team/app:latest", { repo: "team/app", tag: "latest" }],
  ])("of %s has its parts", (text, parts) => {
    const name = parseImageName(text);

    expect(name).toEqual({ registry: undefined, tag: undefined, digest: undefined, ...parts });
    expect(formatImageName(name)).toBe(text);
  });

  test("refers to its digest, else to its tag, else to nothing in particular", () => {
    expect(referenceOf(parseImageName(`r:1/app:x@${DIGEST}`))).toEqual({ kind: "digest", digest: DIGEST });
    expect(referenceOf(parseImageName("r:1/app:x"))).toEqual({ kind: "tag", tag: "x" });
    expect(referenceOf(parseImageName("r:1/app"))).toBeUndefined();
  });

  test.each([
    ["", "no repository is named: write HOST:PORT/NAME"],
    ["127.0.0.1:5001/", "no repository is named: write HOST:PORT/NAME"],
    ["127.0.0.1:5001/:tag", "no repository is named: write HOST:PORT/NAME"],
    ["http://127.0.0.1:5001/app", '"http://127.0.0.1:5001/app": leave out http://, write HOST:PORT/NAME'],
    ["docker://localhost/app", '"docker://localhost/app": leave out docker://, write HOST:PORT/NAME'],
    ["127.0.0.1:99999/app", '"127.0.0.1:99999" is not HOST or HOST:PORT'],
    ["127.0.0.1:/app", '"127.0.0.1:" is not HOST or HOST:PORT'],
    ["127.0.0.1:5001/App", '"App" must be in lower case: app'],
    ["r:1/a..b", '"a..b" is not a repository name: lower-case words, joined by . _ __ or -, in parts with / between'],
    ["r:1/app:.x", '".x" is not a tag: letters, digits, _ . - and at most 128 of them'],
    ["r:1/app:", '"" is not a tag: letters, digits, _ . - and at most 128 of them'],
    ["r:1/app@sha256:abc", '"sha256:abc" is not a digest: sha256: and 64 digits of 0-9a-f'],
    ["r:1/app@", '"" is not a digest: sha256: and 64 digits of 0-9a-f'],
    [`r:1/${"a".repeat(65_536)}`, "a name has at most 1024 characters"],
  ])("is refused in words that help: %j", (text, message) => {
    expect(() => parseImageName(text)).toThrow(new ImageNameError(message));
  });
});
