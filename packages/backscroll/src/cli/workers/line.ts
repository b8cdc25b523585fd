/** One end of the connection between the primary and a worker. */
interface Port {
  send(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
}

type Message =
  | { readonly kind: "ask"; readonly id: number; readonly about: unknown }
  | { readonly kind: "answer"; readonly id: number; readonly answer: unknown }
  | { readonly kind: "failed"; readonly id: number; readonly reason: string }
  | { readonly kind: "tell"; readonly notice: unknown };

/** Questions with answers, and notices without, both ways. */
export interface Line<Question, Notice> {
  /** @throws {Error} when there is no answer within `deadlineMs`, or the other end failed to make one */
  ask(about: Question, deadlineMs: number): Promise<unknown>;
  tell(notice: Notice): void;
}

export interface Hearing<Question, Notice> {
  readonly answer: (about: Question) => Promise<unknown>;
  readonly hear: (notice: Notice) => void;
}

/** The types of both ends are for the caller to keep alike. */
export function openLine<Asked, Told, Question, Notice>(
  port: Port,
  { answer, hear }: Hearing<Asked, Told>,
): Line<Question, Notice> {
  let asked = 0;
  const waiting = new Map<number, PromiseWithResolvers<unknown>>();
  port.onMessage((received) => {
    const message = received as Message;
    if (message.kind === "tell") hear(message.notice as Told);
    else if (message.kind === "answer") waiting.get(message.id)?.resolve(message.answer);
    else if (message.kind === "failed") waiting.get(message.id)?.reject(new Error(message.reason));
    else {
      answer(message.about as Asked).then(
        (answered) => port.send({ kind: "answer", id: message.id, answer: answered }),
        (error: unknown) => port.send({ kind: "failed", id: message.id, reason: String(error) }),
      );
    }
  });
  return {
    async ask(about, deadlineMs) {
      const id = (asked += 1);
      const answered = Promise.withResolvers<unknown>();
      waiting.set(id, answered);
      const timer = setTimeout(() => answered.reject(new Error("no answer in time")), deadlineMs);
      try {
        port.send({ kind: "ask", id, about });
        return await answered.promise;
      } finally {
        clearTimeout(timer);
        waiting.delete(id);
      }
    },
    tell: (notice) => port.send({ kind: "tell", notice }),
  };
}
