import { Socket } from "node:net";
import { describe, expect, test } from "vitest";
import { ClientConnections, clientOf } from "../../../nodes/http/client-connections.ts";

/** A connection of a client at `address`, which never was one of the system's. */
function connectionOf(address: string): Socket {
  return Object.defineProperty(new Socket(), "remoteAddress", { value: address });
}

describe("a client", () => {
  test.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8:1:2:ffff:4:5:6", "2001:db8:1:2::/64"],
    ["2001:db8::1", "2001:db8:0:0::/64"],
    ["::1", "0:0:0:0::/64"],
    ["fe80::1%eth0", "fe80:0:0:0::/64"],
    [undefined, ""],
  ])("at %s counts as %s", (address, client) => {
    expect(clientOf(address)).toBe(client);
  });
});

describe("connections", () => {
  test("of one client are so many at most, those of all so many more, and a closed one makes room", async () => {
    const connections = new ClientConnections({ connections: 4, connectionsPerClient: 2 });
    const first = connectionOf("10.0.0.1");
    const rest = ["10.0.0.1", "10.0.0.1", "10.0.0.2"].map(connectionOf);

    expect([first, ...rest].map((socket) => connections.admit(socket))).toEqual([true, true, false, true]);
    expect(connections.admit(connectionOf("10.0.0.3"))).toBe(false);
    first.destroy();
    rest[1]?.destroy();
    await expect.poll(() => connections.open).toBe(3);

    expect(connections.admit(connectionOf("10.0.0.1"))).toBe(true);
    expect(connections.admit(connectionOf("10.0.0.3"))).toBe(false);
  });
});
