import { describe, expect, test } from "vitest";
import { BufferPool } from "../../../nodes/platform/buffer-pool.ts";
import { BLOB_READ_CHUNK_BYTES, READ_BUFFER_BYTES_MIN, READ_BUFFERS_BYTES_MAX } from "../../../shared/limits.ts";

/** Two buffers for each of so many readers. */
function taken(pool: BufferPool, readers: number): readonly Buffer[] {
  return Array.from({ length: 2 * readers }, () => pool.take());
}

function bytesOf(buffers: readonly Buffer[]): number {
  return buffers.reduce((sum, { length }) => sum + length, 0);
}

describe("buffers for readers", () => {
  test("are whole chunks for a few, and the same ones again", () => {
    const pool = new BufferPool();
    const first = pool.take();
    pool.give(first);

    expect(pool.take()).toBe(first);
    expect(taken(pool, 16).every(({ length }) => length === BLOB_READ_CHUNK_BYTES)).toBe(true);
  });

  test("of a crowd are within the budget and the least that each needs, and are whole again after it", () => {
    const pool = new BufferPool();
    const crowd = taken(pool, 2_000);

    expect(bytesOf(crowd)).toBeLessThanOrEqual(READ_BUFFERS_BYTES_MAX + crowd.length * READ_BUFFER_BYTES_MIN);
    expect(crowd.at(-1)).toHaveLength(READ_BUFFER_BYTES_MIN);
    for (const buffer of crowd) pool.give(buffer);
    expect(pool.take()).toHaveLength(BLOB_READ_CHUNK_BYTES);
  });

  test("grow for a reader who is still there when the crowd has gone", () => {
    const pool = new BufferPool();
    const crowd = taken(pool, 2_000);
    const [small] = taken(pool, 1);
    if (small === undefined) throw new Error("a buffer was taken");

    expect(pool.renewed(small)).toBe(small);
    for (const buffer of crowd) pool.give(buffer);
    expect(pool.renewed(small)).toHaveLength(BLOB_READ_CHUNK_BYTES);
  });
});
