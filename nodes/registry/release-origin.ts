import { RegistryError } from "../../shared/errors.ts";
import { isOrigin, type Origin } from "../../shared/identity.ts";
import type { Metadata } from "../storage/metadata.ts";
import type { Parked } from "../storage/parking.ts";

/** What a person does about origins that are kept aside here: see them, and let them go. */
export class ReleaseOrigin {
  readonly #metadata: Pick<Metadata, "parked" | "release">;

  constructor({ metadata }: { readonly metadata: Pick<Metadata, "parked" | "release"> }) {
    this.#metadata = metadata;
  }

  list(): readonly Parked[] {
    return this.#metadata.parked();
  }

  /** Durable when it resolves; on this node alone. @throws {RegistryError} `NAME_UNKNOWN` when it is not parked here. */
  async run(name: string): Promise<Origin> {
    if (isOrigin(name) && (await this.#metadata.release(name, true))) return name;
    throw new RegistryError("NAME_UNKNOWN", { origin: name }, { message: "no such origin is parked on this node" });
  }
}
