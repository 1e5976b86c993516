import type { ManifestContent } from "./images/image.ts";
import type { Transferred } from "./images/transfer.ts";
import type { OutputOptions } from "./options.ts";
import { exactName, type RegistryImage } from "./remote/registry-image.ts";
import { note, printResult } from "./terminal/output.ts";
import type { Session } from "./terminal/session.ts";

export type TransferReport = {
  readonly target: RegistryImage;
  readonly root: ManifestContent;
  readonly transferred: Transferred;
};

/** What a push or a copy results in: the image's exact name, to be pasted into whatever comes next. */
export async function printTransferred(
  session: Session,
  { format, quiet }: OutputOptions,
  { target, root, transferred }: TransferReport,
): Promise<void> {
  noteExternal(session, quiet, transferred);
  const image = exactName(target, root.digest);
  const value = { image, digest: root.digest, mediaType: root.mediaType, ...transferred };
  await printResult(session, format, { value, text: `${image}\n` });
}

export function noteExternal(session: Session, isQuiet: boolean | undefined, { external }: Transferred): void {
  if (external === 0) return;
  note(session, isQuiet, `left out: ${external} layers that their publisher keeps to himself`);
}
