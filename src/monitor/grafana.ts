import { metricTable } from "./metric-table.ts"

/** A panel of Grafana, as far as it is used here. */
export interface GrafanaPanel {
  readonly id: number
  readonly title: string
  readonly description: string
  readonly type: "timeseries" | "table"
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly datasource: { readonly type: "prometheus"; readonly uid: "$datasource" }
  readonly fieldConfig: object
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[]
}

export interface GrafanaDashboard {
  readonly uid: string
  readonly title: string
  readonly schemaVersion: number
  readonly panels: readonly GrafanaPanel[]
  readonly [more: string]: unknown
}

const columns = 2
const width = 24 / columns
const height = 8

/** The dashboard that shows the metrics of the table: a panel for each row that has one, in the table's order. */
export function grafanaDashboard(): GrafanaDashboard {
  const rows = metricTable.filter((row) => row.panel !== null)
  const datasource = { type: "prometheus", uid: "$datasource" } as const
  return {
    uid: "selecto-pg",
    title: "selecto-pg",
    tags: ["postgresql", "selecto-pg"],
    schemaVersion: 39,
    editable: true,
    refresh: "30s",
    time: { from: "now-1h", to: "now" },
    templating: { list: [{ name: "datasource", label: "Data source", type: "datasource", query: "prometheus" }] },
    panels: rows.map(({ help, type, labels, panel }, at) => ({
      id: at + 1,
      title: panel!.title,
      description: `${help}. (${type}${labels.length > 0 ? `, by ${labels.join(", ")}` : ""})`,
      type: "timeseries",
      gridPos: { x: (at % columns) * width, y: Math.floor(at / columns) * height, w: width, h: height },
      datasource,
      fieldConfig: { defaults: { unit: panel!.unit, min: 0 }, overrides: [] },
      targets: [{ refId: "A", expr: panel!.expr, legendFormat: panel!.legend }],
    })),
  }
}
