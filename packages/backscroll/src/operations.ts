/** Counts what runs, so that closing can wait for it. */
export class Operations {
  #running = 0;
  #whenDone: (() => void)[] = [];

  /** @returns the same promise */
  track<Result>(operation: Promise<Result>): Promise<Result> {
    this.#running += 1;
    const end = (): void => {
      this.#running -= 1;
      if (this.#running === 0) for (const done of this.#whenDone.splice(0)) done();
    };
    operation.then(end, end);
    return operation;
  }

  /** @returns an object whose methods, all of them async, are tracked */
  trackCalls<Service extends object>(service: Service): Service {
    return new Proxy(service, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name);
        if (typeof value !== "function") return value;
        return (...args: unknown[]): Promise<unknown> => this.track(value.apply(target, args) as Promise<unknown>);
      },
    });
  }

  /** Resolves as soon as nothing runs. */
  allDone(): Promise<void> {
    return this.#running === 0 ? Promise.resolve() : new Promise((done) => this.#whenDone.push(done));
  }
}
