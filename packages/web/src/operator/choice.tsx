import { type ReactNode, useId } from "react";

interface ChoiceProps<Value extends string> {
  /** what is chosen */
  readonly label: string;
  /** in their order, with their names */
  readonly options: Readonly<Record<Value, string>>;
  readonly value: Value;
  readonly onChange: (value: Value) => void;
}

/** One of a few, side by side: a radio group. */
export function Choice<Value extends string>({ label, options, value, onChange }: ChoiceProps<Value>): ReactNode {
  const name = useId();
  return (
    <fieldset className="flex rounded-m border border-control">
      <legend className="sr-only">{label}</legend>
      {(Object.entries(options) as [Value, string][]).map(([option, text]) => (
        <label
          key={option}
          className="relative grid min-h-7 min-w-9 cursor-pointer place-items-center px-2 text-13 first-of-type:rounded-s-m last:rounded-e-m hover:bg-soft has-checked:bg-accent has-checked:text-on-accent has-focus-visible:outline-2 has-focus-visible:outline-offset-2 has-focus-visible:outline-accent pointer-coarse:min-h-11 pointer-coarse:min-w-11"
        >
          <input
            type="radio"
            name={name}
            value={option}
            checked={option === value}
            onChange={() => onChange(option)}
            className="absolute inset-0 cursor-pointer appearance-none outline-none"
          />
          <span className="pointer-events-none">{text}</span>
        </label>
      ))}
    </fieldset>
  );
}
