/** The one thing that is wrong with a toy store. With `none` it is honest, and must come out clean. */
const TOY_FAULTS = [
  "none",
  "no-folder-sync",
  "no-sync",
  "early-acknowledgement",
  "unsynced-tag",
  "flipped-byte",
  "unsynced-delete",
] as const;

export type ToyFault = (typeof TOY_FAULTS)[number];

export function isToyFault(text: string): text is ToyFault {
  return TOY_FAULTS.some((fault) => fault === text);
}
