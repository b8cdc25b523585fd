import { Fragment, type ReactNode } from "react";

/** A route's name, which may go on in the next line after each of its slashes. */
export function Breakable({ text }: { readonly text: string }): ReactNode {
  return text.split(/(?<=\/)/).map((part, index) => (
    // oxlint-disable-next-line react/no-array-index-key -- the parts of a text have their place
    <Fragment key={index}>
      {index > 0 && <wbr />}
      {part}
    </Fragment>
  ));
}
