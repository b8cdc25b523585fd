import { type Command, InvalidArgumentError, Option } from "commander";

const PROFILE_NAMES = ["quick", "guide"] as const;

/** What `backscroll bench` was asked for. */
export interface BenchFlags {
  readonly profile: (typeof PROFILE_NAMES)[number];
  readonly url?: string;
  readonly key?: string;
  readonly token?: string;
  readonly metricsToken?: string;
  /** how many ask at the same time */
  readonly senders: number;
  readonly seconds: number;
  /** measured ones, at most */
  readonly requests: number;
  /** steps a second; absent: everybody goes on as soon as they are answered */
  readonly rate?: number;
  /** that are talked in again and again */
  readonly conversations: number;
  /** of 100 turns, so many open a conversation that the cache does not hold */
  readonly cold: number;
  readonly users: number;
  readonly yes?: boolean;
}

export function withBenchOptions(command: Command): Command {
  return command
    .addOption(
      new Option(
        "--profile <name>",
        "quick: one kind of request after the other; guide: the guide's load test and targets",
      )
        .choices(PROFILE_NAMES)
        .default("quick"),
    )
    .option("--url <url>", "the deployment; default: the service of HOST and PORT here")
    .addOption(new Option("--key <key>", "an API key").env("BACKSCROLL_KEY"))
    .addOption(new Option("--token <token>", "a user's token, instead of a key").env("BACKSCROLL_TOKEN"))
    .addOption(new Option("--metrics-token <token>", "to read /metrics before and after").env("METRICS_TOKEN"))
    .option("--senders <number>", "how many ask at the same time", whole(1, 1_000), 8)
    .option("--seconds <number>", "how long it measures", whole(1, 3_600), 20)
    .option("--requests <number>", "how many requests are measured at most", whole(1, 100_000_000), 1_000_000)
    .option(
      "--rate <number>",
      "turns (quick: requests) a second; default: each sender goes on when it is answered",
      whole(1, 100_000),
    )
    .option("--conversations <number>", "how many are talked in again and again", whole(1, 10_000), 100)
    .option(
      "--cold <percent>",
      "guide: of 100 turns, how many open a conversation that is not cached",
      whole(1, 100),
      10,
    )
    .option(
      "--users <number>",
      "with an admin key: users that are made for this, and erased after it",
      whole(1, 1_000),
      1,
    )
    .option("--yes", "do not ask before a host that is not this machine is loaded");
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
  };
}
