import type { ReactNode } from "react";
import { PageHeader } from "../shell/page-header.tsx";

export function OperatorPage(): ReactNode {
  return (
    <PageHeader>
      <h1 className="text-15 font-medium">Operator</h1>
    </PageHeader>
  );
}
