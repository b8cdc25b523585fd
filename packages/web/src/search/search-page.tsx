import type { ReactNode } from "react";
import { PageHeader } from "../shell/page-header.tsx";

export function SearchPage(): ReactNode {
  return (
    <PageHeader>
      <h1 className="text-15 font-medium">Search</h1>
    </PageHeader>
  );
}
