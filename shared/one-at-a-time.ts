/** Runs tasks one after the other, in the order they came. A task that fails fails only for whoever gave it. */
export class OneAtATime {
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  /** Tasks that run or wait. */
  get pending(): number {
    return this.#pending;
  }

  async run<T>(task: () => Promise<T>): Promise<T> {
    this.#pending += 1;
    const result = this.#last.then(task);
    this.#last = result.then(ignore, ignore);
    try {
      return await result;
    } finally {
      this.#pending -= 1;
    }
  }
}

function ignore(): void {}
