import { afterEach, describe, expect, test } from "vitest";

import type { JournalFiles } from "../../nodes/ports/journal-files.ts";

export type JournalFilesUnderTest = { readonly files: JournalFiles; readonly dispose: () => Promise<void> };

export function journalFilesContract(title: string, open: () => Promise<JournalFilesUnderTest>): void {
  describe(title, () => {
    const disposals: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const dispose of disposals.splice(0)) await dispose();
    });

    async function opened(): Promise<JournalFiles> {
      const { files, dispose } = await open();
      disposals.push(dispose);
      return files;
    }

    test("gives back what was appended, in order, also after the file was opened again", async () => {
      const files = await opened();
      const file = await files.open("a");
      await file.append(Buffer.from("one "));
      await file.append(Buffer.from("two "));
      await file.close();

      const again = await files.open("a");
      await again.append(Buffer.alloc(3_000_000, "x"));
      await again.close();

      expect((await contentOf(files, "a")).equals(Buffer.from(`one two ${"x".repeat(3_000_000)}`))).toBe(true);
    });

    test("keeps nothing of the caller's buffer", async () => {
      const files = await opened();
      const file = await files.open("a");
      const bytes = Buffer.from("kept");

      await file.append(bytes);
      bytes.fill(0);
      await file.close();

      expect((await contentOf(files, "a")).toString()).toBe("kept");
    });

    test("lists the files in the order of their names, with their sizes; a new one is empty", async () => {
      const files = await opened();
      expect(await files.list()).toEqual([]);

      for (const name of ["b-2", "a", "b-1"]) await (await files.open(name)).close();
      const file = await files.open("a");
      await file.append(Buffer.from("123"));
      await file.close();

      expect(await files.list()).toEqual([
        { name: "a", size: 3 },
        { name: "b-1", size: 0 },
        { name: "b-2", size: 0 },
      ]);
    });

    test("cuts, renames over another, and removes what is there and what is not", async () => {
      const files = await opened();
      for (const [name, text] of [
        ["a", "abcdef"],
        ["b", "other"],
        ["c", "gone"],
      ] as const) {
        const file = await files.open(name);
        await file.append(Buffer.from(text));
        await file.close();
      }

      await files.truncate("a", 3);
      await files.rename("a", "b");
      await files.remove("c");
      await files.remove("never");

      expect(await files.list()).toEqual([{ name: "b", size: 3 }]);
      expect((await contentOf(files, "b")).toString()).toBe("abc");
    });

    test("refuses to read, cut or rename what is not there", async () => {
      const files = await opened();

      await expect(async () => await contentOf(files, "never")).rejects.toThrow();
      await expect(files.truncate("never", 0)).rejects.toThrow();
      await expect(files.rename("never", "b")).rejects.toThrow();
    });
  });
}

async function contentOf(files: JournalFiles, name: string): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of files.read(name)) chunks.push(chunk);
  return Buffer.concat(chunks);
}
