/** What a long run has counted, and what each count should be. */

type Target = { readonly kind: "none" } | { readonly kind: "some" };

/** Faults must be none; what was tried must be something, or the zeros beside it mean nothing. */
const TARGETS = {
  power_cuts: { kind: "some" },
  kills: { kind: "some" },
  acknowledged_writes: { kind: "some" },
  acknowledged_writes_at_fault: { kind: "none" },
  wrong_bytes_served: { kind: "none" },
  sweep_cells: { kind: "some" },
  sweep_findings: { kind: "none" },
  rot_injections: { kind: "some" },
  rot_lies: { kind: "none" },
  rot_silences: { kind: "none" },
  full_disk_steps: { kind: "some" },
  full_disk_findings: { kind: "none" },
  failing_disks: { kind: "some" },
  failing_disk_findings: { kind: "none" },
} as const satisfies Record<string, Target>;

export type FigureName = keyof typeof TARGETS;

export class Figures {
  readonly #values = new Map<FigureName, number>();

  add(name: FigureName, value: number): void {
    this.#values.set(name, this.#valueOf(name) + value);
  }

  /** `name value target pass`, each on a line. */
  lines(): readonly string[] {
    return this.#names().map((name) => {
      const target = TARGETS[name].kind === "none" ? "=0" : ">0";
      return `${name} ${this.#valueOf(name)} ${target} ${this.#isMet(name) ? "pass" : "FAIL"}`;
    });
  }

  isPassing(): boolean {
    return this.#names().every((name) => this.#isMet(name));
  }

  #names(): readonly FigureName[] {
    return Object.keys(TARGETS).filter((name) => isFigureName(name));
  }

  #valueOf(name: FigureName): number {
    return this.#values.get(name) ?? 0;
  }

  #isMet(name: FigureName): boolean {
    return TARGETS[name].kind === "none" ? this.#valueOf(name) === 0 : this.#valueOf(name) > 0;
  }
}

function isFigureName(text: string): text is FigureName {
  return Object.hasOwn(TARGETS, text);
}
