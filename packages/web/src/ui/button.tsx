import type { ButtonHTMLAttributes, ReactNode, Ref } from "react";
import { classNames } from "./class-names.ts";

type Kind = "primary" | "plain" | "quiet" | "danger";

const KINDS: Readonly<Record<Kind, string>> = {
  primary: "bg-accent text-on-accent border-transparent hover:brightness-110",
  plain: "bg-raise text-ink border-control hover:bg-soft",
  quiet: "bg-transparent text-ink border-transparent hover:bg-soft",
  danger: "bg-raise text-err border-err hover:bg-soft",
};
const SHAPE =
  "inline-flex items-center justify-center gap-2 rounded-m border text-14 leading-5 transition-colors " +
  "disabled:opacity-60 disabled:cursor-not-allowed pointer-coarse:min-h-11 pointer-coarse:min-w-11";

export interface ButtonProps extends ButtonHTMLAttributes<HTMLButtonElement> {
  readonly kind?: Kind;
  readonly ref?: Ref<HTMLButtonElement>;
}

export function Button({ kind = "plain", className, ...props }: ButtonProps): ReactNode {
  return <button type="button" className={classNames(SHAPE, KINDS[kind], "px-3 py-1.5", className)} {...props} />;
}

/** A button that shows an icon only. @param label its name, which is its tooltip too */
export function IconButton({
  label,
  kind = "quiet",
  className,
  ...props
}: ButtonProps & { readonly label: string }): ReactNode {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      className={classNames(SHAPE, KINDS[kind], "size-8 shrink-0", className)}
      {...props}
    />
  );
}
