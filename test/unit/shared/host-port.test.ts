import { describe, expect, test } from "vitest";

import { formatHostPort, isLoopbackHost, isWildcardHost, parseHostPort } from "../../../shared/host-port.ts";

describe("host and port", () => {
  test.each([
    ["127.0.0.1:5000", "127.0.0.1", 5000],
    ["localhost:0", "localhost", 0],
    ["registry.example.com:443", "registry.example.com", 443],
    ["node_1:7000", "node_1", 7000],
    ["[::1]:5000", "::1", 5000],
    ["[fe80::1%eth0]:65535", "fe80::1%eth0", 65535],
    ["[::ffff:127.0.0.1]:1", "::ffff:127.0.0.1", 1],
  ])("are read from %s", (text, host, port) => {
    expect(parseHostPort(text)).toEqual({ host, port });
    expect(formatHostPort({ host, port })).toBe(text);
  });

  test.each([
    "",
    ":5000",
    "localhost",
    "localhost:",
    "localhost:65536",
    "localhost:99999999",
    "localhost:-1",
    "localhost:05000",
    "localhost:5e3",
    "localhost: 5000",
    " localhost:5000",
    "local host:5000",
    "http://localhost:5000",
    "localhost:5000/x",
    "::1:5000",
    "[::1]",
    "[]:5000",
    "[localhost]:5000",
    "[::1:5000",
    "-x:5000",
    "x.:5000",
    "é:5000",
    "a\n:5000",
    `${"x".repeat(254)}:5000`,
  ])("are not read from %j", (text) => {
    expect(parseHostPort(text)).toBeUndefined();
  });
});

test.each(["127.0.0.1", "127.255.0.9", "::1", "localhost", "LOCALHOST"])("%s is this machine only", (host) => {
  expect(isLoopbackHost(host)).toBe(true);
});

test.each([
  "0.0.0.0",
  "::",
  "10.0.0.1",
  "128.0.0.1",
  "127.0.0.1.example.com",
  "127.0.0.256",
  "127.1",
  "1127.0.0.1",
  "localhost.example.com",
  "example.localhost",
  "",
])("%j may be reached by others", (host) => {
  expect(isLoopbackHost(host)).toBe(false);
});

test("a wildcard is every address of a machine", () => {
  expect(["0.0.0.0", "::", "127.0.0.1", "::1", "localhost"].map(isWildcardHost)).toEqual([
    true,
    true,
    false,
    false,
    false,
  ]);
});
