import type { OperatorReport, OperatorWindow } from "backscroll-client";
import { type ReactNode, useMemo, useState } from "react";
import { useMe } from "../server/me.ts";
import { PageHeader } from "../shell/page-header.tsx";
import { Delayed } from "../ui/delayed.tsx";
import { FailureRow } from "../ui/failure-row.tsx";
import { Chart } from "./chart.tsx";
import { BY_ROUTE, chartsOf, type Quantile } from "./charts-of.ts";
import { Choice } from "./choice.tsx";
import { StatusStrip } from "./status-strip.tsx";
import { Tiles } from "./tiles.tsx";
import { useReport } from "./use-report.ts";

const WINDOWS: Readonly<Record<OperatorWindow, string>> = { "15m": "15m", "1h": "1h", "24h": "24h", "7d": "7d" };
const QUANTILES: Readonly<Record<Quantile, string>> = { p50: "p50", p95: "p95", p99: "p99" };

/** For who runs the service: whether it is healthy, and how it was. */
export function OperatorPage(): ReactNode {
  const { data: me } = useMe();
  return <div className="flex h-full flex-col">{me?.is_admin === true ? <Report /> : <NotForYou />}</div>;
}

function NotForYou(): ReactNode {
  return (
    <>
      <PageHeader>
        <h1 className="text-15 font-medium">Operator</h1>
      </PageHeader>
      <div className="grid flex-1 place-content-center gap-1 p-6 text-center">
        <p className="text-16 font-medium">This page is for admins</p>
        <p className="text-14 text-ink2">Whoever runs this service can make you one: the setting is ADMINS.</p>
      </div>
    </>
  );
}

function Report(): ReactNode {
  const [window, setWindow] = useState<OperatorWindow>("15m");
  const { data, error, refetch, isPlaceholderData } = useReport(window);
  return (
    <>
      <PageHeader>
        <h1 className="me-auto text-15 font-medium">Operator</h1>
        <Choice label="Time shown" options={WINDOWS} value={window} onChange={setWindow} />
      </PageHeader>
      <div aria-busy={isPlaceholderData} className="min-h-0 flex-1 overflow-x-clip overflow-y-auto">
        {error && <FailureRow what="Couldn't load the figures." error={error} onRetry={() => void refetch()} />}
        {data ? <Figures report={data} /> : !error && <Delayed>Loading…</Delayed>}
      </div>
    </>
  );
}

function Figures({ report }: { readonly report: OperatorReport }): ReactNode {
  const [byRoute, setByRoute] = useState<Quantile>("p95");
  const charts = useMemo(() => chartsOf(report, byRoute), [report, byRoute]);
  return (
    <div className="mx-auto grid max-w-400 gap-3 p-3 md:p-4">
      <StatusStrip report={report} />
      <Tiles now={report.now} />
      <div className="grid grid-cols-[repeat(auto-fill,minmax(min(100%,400px),1fr))] gap-3">
        {charts.map((chart) => (
          <Chart key={chart.title} chart={chart}>
            {chart.title === BY_ROUTE && (
              <Choice label="Quantile" options={QUANTILES} value={byRoute} onChange={setByRoute} />
            )}
          </Chart>
        ))}
      </div>
    </div>
  );
}
