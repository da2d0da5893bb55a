/** One value of a metric, as exporters give it. */
export interface Sample {
  readonly labels: Record<string, string>
  readonly value: number
  readonly metricName?: string
  readonly exemplar?: Exemplar
}

export interface Exemplar {
  readonly labelSet: Readonly<Record<string, string>>
  readonly value: number
  /** Seconds since 1970. */
  readonly timestamp: number
}
