/** What happened in a run, kept for drawing it: messages between nodes, and what was noted. Nothing is kept unless somebody wants a picture. */
import type { NodeId } from "../shared/identity.ts";
import type { Plane } from "./sim-link.ts";

export type Message = {
  readonly source: NodeId;
  readonly target: NodeId;
  readonly plane: Plane;
  readonly sentMs: number;
  readonly arrivedMs: number;
};

export type Noted = { readonly atMs: number; readonly subject: string; readonly event: string };

export class Chronicle {
  readonly #messages: Message[] = [];
  readonly #noted: Noted[] = [];

  get messages(): readonly Message[] {
    return this.#messages;
  }

  get noted(): readonly Noted[] {
    return this.#noted;
  }

  readonly carried = (message: Message): void => {
    this.#messages.push(message);
  };

  readonly note = (noted: Noted): void => {
    this.#noted.push(noted);
  };
}
