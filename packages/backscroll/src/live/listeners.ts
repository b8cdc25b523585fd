interface Listener {
  readonly onSignal: (payload: string) => void;
  readonly onMissed: () => void;
}

/** Who listens in this process, by channel. */
export class Listeners {
  readonly #byChannel = new Map<string, Set<Listener>>();

  /** @returns whether it is the channel's first */
  add(channel: string, listener: Listener): boolean {
    const known = this.#byChannel.get(channel);
    if (known) known.add(listener);
    else this.#byChannel.set(channel, new Set([listener]));
    return !known;
  }

  /** @returns whether it was the channel's last */
  remove(channel: string, listener: Listener): boolean {
    const listeners = this.#byChannel.get(channel);
    if (!listeners?.delete(listener) || listeners.size > 0) return false;
    return this.#byChannel.delete(channel);
  }

  signal(channel: string, payload: string): void {
    for (const { onSignal } of this.#byChannel.get(channel) ?? []) onSignal(payload);
  }

  missed(channels: readonly string[]): void {
    for (const channel of channels) for (const { onMissed } of this.#byChannel.get(channel) ?? []) onMissed();
  }
}
