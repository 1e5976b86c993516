import { describe, expect, test } from "vitest";

import { ByteWriter, MalformedBytesError } from "../../../shared/bytes.ts";
import {
  type Change,
  decodeChange,
  decodeKey,
  decodeOp,
  decodeRegister,
  dotOf,
  encodeChange,
  encodeKey,
  encodeRegister,
  opOf,
} from "../../../shared/change.ts";
import { digestOf } from "../../../shared/digest.ts";
import { hlcAt } from "../../../shared/hlc.ts";
import { parseNodeId, parseOrigin, parseRegion } from "../../../shared/identity.ts";
import { InvariantError } from "../../../shared/invariant.ts";
import { OCI_IMAGE_MANIFEST } from "../../../shared/media-types.ts";
import { parseRepositoryName, parseTag } from "../../../shared/reference.ts";
import type { Register, RegisterKey, RegisterValue, Version } from "../../../shared/register.ts";

const EU = parseOrigin("0000000000000001");
const US = parseOrigin("0000000000000002");
const REPO = parseRepositoryName("team/app");
const DIGEST = digestOf(new Uint8Array());

const TAG_KEY = { kind: "tag", repo: REPO, tag: parseTag("latest") } as const;
const MANIFEST_KEY = { kind: "manifest", repo: REPO, digest: DIGEST } as const;
const BLOB_KEY = { kind: "blob", repo: REPO, digest: DIGEST } as const;

const TAG_VALUE = { kind: "tag", digest: DIGEST } as const;
const MANIFEST_VALUE = { kind: "manifest", mediaType: OCI_IMAGE_MANIFEST, size: 400 } as const;
const AUTHOR = { node: parseNodeId("eu-1"), region: parseRegion("eu"), actor: "ada" };

function version(value: RegisterValue, origin = EU, seq = 1): Version {
  return { dot: { origin, seq }, hlc: hlcAt(1_800_000_000_000), author: AUTHOR, value };
}

function changeOf(key: RegisterKey, value: RegisterValue, content?: Uint8Array): Change {
  return opOf(key, version(value), new Map([[US, 3]]), content);
}

function registerOf(versions: readonly Version[], context: Register["context"]): Register {
  return { versions, context };
}

describe("an op", () => {
  test("knows everything its writer had seen, and itself", () => {
    const op = opOf(
      TAG_KEY,
      version(TAG_VALUE, EU, 7),
      new Map([
        [EU, 4],
        [US, 9],
      ]),
    );

    expect(op).toEqual({
      key: TAG_KEY,
      register: {
        versions: [version(TAG_VALUE, EU, 7)],
        context: new Map([
          [EU, 7],
          [US, 9],
        ]),
      },
      content: undefined,
    });
    expect(dotOf(op)).toEqual({ origin: EU, seq: 7 });
  });

  test("holds one version, or the process stops", () => {
    const change = { key: TAG_KEY, register: registerOf([], new Map()), content: undefined };

    expect(() => dotOf(change)).toThrow(InvariantError);
  });
});

describe("a change", () => {
  test.each([
    ["a tag", changeOf(TAG_KEY, TAG_VALUE)],
    ["a removed tag", changeOf(TAG_KEY, { kind: "removed" })],
    ["a manifest", changeOf(MANIFEST_KEY, MANIFEST_VALUE)],
    ["a manifest with its bytes", changeOf(MANIFEST_KEY, MANIFEST_VALUE, new TextEncoder().encode("{}"))],
    [
      "a manifest with no bytes at all, which is not the same as without",
      changeOf(MANIFEST_KEY, MANIFEST_VALUE, new Uint8Array()),
    ],
    ["a removed manifest", changeOf(MANIFEST_KEY, { kind: "removed" })],
    ["a blob that came back", changeOf(BLOB_KEY, { kind: "linked" })],
    ["a removed blob", changeOf(BLOB_KEY, { kind: "removed" })],
    [
      "a whole register with siblings",
      {
        key: TAG_KEY,
        register: registerOf(
          [version(TAG_VALUE, EU, 2), version(TAG_VALUE, US, 5)],
          new Map([
            [US, 5],
            [EU, 3],
          ]),
        ),
        content: undefined,
      },
    ],
  ])("reads back as it was written: %s", (_, change) => {
    expect(decodeChange(encodeChange(change))).toEqual(change);
  });

  test("has one spelling, whatever order its context was built in", () => {
    const one = registerOf(
      [version(TAG_VALUE)],
      new Map([
        [EU, 1],
        [US, 2],
      ]),
    );
    const other = registerOf(
      [version(TAG_VALUE)],
      new Map([
        [US, 2],
        [EU, 1],
      ]),
    );

    expect(encodeRegister(one)).toEqual(encodeRegister(other));
  });

  test.each([
    ["a tag that holds a manifest", changeOf(TAG_KEY, MANIFEST_VALUE)],
    ["a manifest that holds a tag", changeOf(MANIFEST_KEY, TAG_VALUE)],
    ["a blob that holds a tag", changeOf(BLOB_KEY, TAG_VALUE)],
    ["a linked tag", changeOf(TAG_KEY, { kind: "linked" })],
    ["content beside a tag", changeOf(TAG_KEY, TAG_VALUE, new Uint8Array())],
    ["content beside a blob", changeOf(BLOB_KEY, { kind: "linked" }, new Uint8Array())],
    ["a media type that would break a header", changeOf(MANIFEST_KEY, { ...MANIFEST_VALUE, mediaType: "a/b\r\nX: y" })],
    [
      "an actor too long to show",
      opOf(TAG_KEY, { ...version(TAG_VALUE), author: { ...AUTHOR, actor: "x".repeat(129) } }, new Map()),
    ],
  ])("is refused: %s", (_, change) => {
    expect(() => decodeChange(encodeChange(change))).toThrow(MalformedBytesError);
  });

  test("is refused when its content is neither there nor not there", () => {
    const bytes = encodeChange(changeOf(MANIFEST_KEY, MANIFEST_VALUE));
    bytes[bytes.length - 1] = 2;

    expect(() => decodeChange(bytes)).toThrow(MalformedBytesError);
  });

  test("is refused with anything after it", () => {
    const bytes = encodeChange(changeOf(TAG_KEY, TAG_VALUE));

    expect(() => decodeChange(Uint8Array.of(...bytes, 0))).toThrow(MalformedBytesError);
  });

  test("is refused wherever it is cut off", () => {
    const bytes = encodeChange(changeOf(MANIFEST_KEY, MANIFEST_VALUE, new TextEncoder().encode("{}")));

    for (let length = 0; length < bytes.length; length += 1) {
      expect(() => decodeChange(bytes.subarray(0, length))).toThrow(MalformedBytesError);
    }
  });
});

describe("a register's bytes", () => {
  test.each([
    ["the same dot twice", registerOf([version(TAG_VALUE), version({ kind: "removed" })], new Map([[EU, 1]]))],
    [
      "versions out of order",
      registerOf(
        [version(TAG_VALUE, US, 1), version(TAG_VALUE, EU, 1)],
        new Map([
          [EU, 1],
          [US, 1],
        ]),
      ),
    ],
    ["a version that its context does not know", registerOf([version(TAG_VALUE, EU, 2)], new Map([[EU, 1]]))],
    ["a version numbered 0", registerOf([version(TAG_VALUE, EU, 0)], new Map([[EU, 1]]))],
    ["a context that counts from 0", registerOf([], new Map([[EU, 0]]))],
  ])("are refused with %s", (_, register) => {
    expect(() => decodeRegister(encodeRegister(register))).toThrow(MalformedBytesError);
  });

  test.each([
    ["an origin twice", [EU, EU]],
    ["origins out of order", [US, EU]],
    ["an origin that is none", ["eu"]],
  ])("are refused with a context that names %s", (_, origins) => {
    const writer = new ByteWriter().writeVarint(0).writeVarint(origins.length);
    for (const origin of origins) writer.writeString(origin).writeVarint(1);

    expect(() => decodeRegister(writer.finish())).toThrow(MalformedBytesError);
  });

  test.each([
    ["no node", { node: "", region: "eu", value: 0 }],
    ["no region", { node: "eu-1", region: "EU", value: 0 }],
    ["a value of an unknown kind", { node: "eu-1", region: "eu", value: 9 }],
  ])("are refused with %s", (_, { node, region, value }) => {
    const writer = new ByteWriter().writeVarint(1).writeString(EU).writeVarint(1).writeUint64(0n);
    writer.writeString(node).writeString(region).writeString("ada").writeVarint(value);
    writer.writeVarint(1).writeString(EU).writeVarint(1);

    expect(() => decodeRegister(writer.finish())).toThrow(MalformedBytesError);
  });

  test("are refused when a tag names no digest", () => {
    const writer = new ByteWriter().writeVarint(1).writeString(EU).writeVarint(1).writeUint64(0n);
    writer.writeString("eu-1").writeString("eu").writeString("ada").writeVarint(1).writeString("sha256:abc");
    writer.writeVarint(1).writeString(EU).writeVarint(1);

    expect(() => decodeRegister(writer.finish())).toThrow(MalformedBytesError);
  });
});

describe("an op's bytes", () => {
  test("read back as the op", () => {
    const op = changeOf(TAG_KEY, TAG_VALUE);

    expect(decodeOp(encodeChange(op))).toEqual(op);
  });

  test.each([
    ["no version", registerOf([], new Map([[EU, 1]]))],
    [
      "two versions",
      registerOf(
        [version(TAG_VALUE, EU, 1), version(TAG_VALUE, US, 1)],
        new Map([
          [EU, 1],
          [US, 1],
        ]),
      ),
    ],
    ["a context that goes beyond its own dot", registerOf([version(TAG_VALUE, EU, 1)], new Map([[EU, 2]]))],
  ])("are refused with %s", (_, register) => {
    const bytes = encodeChange({ key: TAG_KEY, register, content: undefined });

    expect(() => decodeOp(bytes)).toThrow(MalformedBytesError);
  });
});

describe("a key's bytes", () => {
  test.each([TAG_KEY, MANIFEST_KEY, BLOB_KEY])("read back as the key: %o", (key) => {
    expect(decodeKey(encodeKey(key))).toEqual(key);
  });

  test.each([
    ["an unknown kind", 7, "app", "latest"],
    ["no repository", 0, "App", "latest"],
    ["no tag", 0, "app", ".latest"],
    ["a tag where a digest should be", 1, "app", "latest"],
    ["a digest where a tag should be", 0, "app", DIGEST],
  ])("are refused with %s", (_, kind, repo, name) => {
    const bytes = new ByteWriter().writeVarint(kind).writeString(repo).writeString(name).finish();

    expect(() => decodeKey(bytes)).toThrow(MalformedBytesError);
  });
});
