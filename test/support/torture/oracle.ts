/**
 * What a store may say after a disaster, known outside of it.
 *
 * Each thing that clients write (a tag, a manifest, a blob of a repository) is a register. Every attempt to write one is
 * told to the oracle when it begins and when it is acknowledged. A value is allowed afterwards unless a write that was
 * acknowledged began only after that value's own attempt had been acknowledged: then it is older than what was promised.
 * Attempts without an answer may have happened or not, and concurrent ones in any order. A delete is the write of
 * nothing, so one rule covers loss, stale tags and what comes back from the dead.
 */

/** What is in a register; `undefined` is nothing. */
export type Value = string | undefined;

export type Attempt = {
  readonly register: string;
  readonly value: Value;
  readonly beganAt: number;
  endedAt: number | undefined;
};

/**
 * What can be wrong: gone, older than acknowledged, deleted and back, bytes of another digest, a part of an image missing,
 * neither bytes nor a clear absence, refused for no reason, or the store does not even open.
 */
export type FaultKind = "lost" | "stale" | "returned" | "wrong bytes" | "half" | "unreadable" | "refused" | "not open";

export type Fault = { readonly kind: FaultKind; readonly what: string; readonly detail: string };

export class Oracle {
  #now = 0;
  readonly #attempts = new Map<string, Attempt[]>();
  /** Registers that were written since they were last looked at. */
  readonly #touched = new Set<string>();
  #acknowledged = 0;

  get acknowledged(): number {
    return this.#acknowledged;
  }

  begin(register: string, value: Value): Attempt {
    const attempt: Attempt = { register, value, beganAt: this.#tick(), endedAt: undefined };
    this.#of(register).push(attempt);
    this.#touched.add(register);
    return attempt;
  }

  acknowledge(attempt: Attempt): void {
    attempt.endedAt = this.#tick();
    this.#acknowledged += 1;
    this.#forgetOvertaken(attempt.register);
  }

  /** The store said that it did nothing. */
  refuse(attempt: Attempt): void {
    const attempts = this.#of(attempt.register);
    attempts.splice(attempts.indexOf(attempt), 1);
  }

  allowed(register: string): readonly Value[] {
    return [...new Set(this.#of(register).map(({ value }) => value))];
  }

  /** The value of `register`, when it has only one and nobody is writing it. */
  certain(register: string): Value {
    const attempts = this.#of(register);
    return attempts.length === 1 ? attempts[0]?.value : undefined;
  }

  touched(): readonly string[] {
    return [...this.#touched];
  }

  registers(): readonly string[] {
    return [...this.#attempts.keys()];
  }

  /** What is wrong with finding `found` in `register`, while writes without an answer may still come to be. */
  compare(register: string, found: Value): Fault | undefined {
    const allowed = this.allowed(register);
    if (allowed.includes(found)) return undefined;
    const wanted = this.#of(register).map(({ value, endedAt }) => {
      return `${value ?? "nothing"}${endedAt === undefined ? "?" : ""}`;
    });
    const detail = `${found ?? "nothing"} instead of ${wanted.join(", ")}`;
    return { kind: kindOf(allowed, found), what: register, detail };
  }

  /** The same in a new life of the store, which has nothing left to come: what was found is the truth from here on. */
  observe(register: string, found: Value): Fault | undefined {
    const fault = this.compare(register, found);
    this.#touched.delete(register);
    this.#attempts.set(register, [{ register, value: found, beganAt: this.#tick(), endedAt: this.#tick() }]);
    return fault;
  }

  #tick(): number {
    this.#now += 1;
    return this.#now;
  }

  #of(register: string): Attempt[] {
    const known = this.#attempts.get(register);
    if (known !== undefined) return known;
    const attempts: Attempt[] = [{ register, value: undefined, beganAt: 0, endedAt: 0 }];
    this.#attempts.set(register, attempts);
    return attempts;
  }

  #forgetOvertaken(register: string): void {
    const attempts = this.#of(register);
    const lastBegun = Math.max(
      ...attempts.filter(({ endedAt }) => endedAt !== undefined).map(({ beganAt }) => beganAt),
    );
    const left = attempts.filter(({ endedAt }) => endedAt === undefined || endedAt >= lastBegun);
    this.#attempts.set(register, left);
  }
}

function kindOf(allowed: readonly Value[], found: Value): FaultKind {
  if (found === undefined) return "lost";
  return allowed.every((value) => value === undefined) ? "returned" : "stale";
}
