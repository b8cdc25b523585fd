import type { ReactNode } from "react";

interface SectionProps {
  /** what the address names it by */
  readonly id: string;
  readonly title: string;
  readonly children: ReactNode;
}

export function Section({ id, title, children }: SectionProps): ReactNode {
  return (
    <section id={id} aria-labelledby={`${id}-title`} className="grid grid-cols-[minmax(0,1fr)] gap-3">
      <h2 id={`${id}-title`} className="text-16 font-semibold">
        {title}
      </h2>
      {children}
    </section>
  );
}
