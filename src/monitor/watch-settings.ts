import { SelectoError } from "../errors.ts"
import { type Duration, millisecondsOf } from "../units.ts"
import type { AlertChannel } from "./alerts/channel.ts"
import { defaultOutboxTimes } from "./alerts/outbox.ts"
import { minute } from "./alerts/rule.ts"
import { defaultTimes, ruleSettings } from "./alerts/settings.ts"
import type { MonitorOptions, PlanOptions, ServerOptions } from "./options.ts"
import type { PlanSettings } from "./plans/sampler.ts"
import type { CollectorSettings } from "./server/collector.ts"
import type { WatchSettings } from "./watch.ts"

/** What is slow where nobody said so: its plan is worth a look. */
const usualSlowMs = 500

/** The options of connect() as watching needs them. Throws E_INVALID_OPTION. */
export function watchSettings(options: MonitorOptions, slowQueryMs: number | null): WatchSettings {
  const { notify = [], heartbeat = [], alertTimes = {} } = options
  const rules = ruleSettings(options.alerts ?? notify.length > 0, slowQueryMs)
  const server = options.server ?? rules.length > 0
  const plans = options.plans ?? server !== false
  const duration = (value: Duration | undefined, otherwise: number, option: string): number =>
    value === undefined ? otherwise : millisecondsOf(value, `monitor.${option}`)
  for (const [at, channel] of notify.entries()) checkChannel(channel, `monitor.notify[${at}]`)
  const hearts = Array.isArray(heartbeat) ? (heartbeat as readonly AlertChannel[]) : [heartbeat as AlertChannel]
  for (const channel of hearts) checkChannel(channel, "monitor.heartbeat")
  return {
    collector: server === false ? null : collectorSettings(server === true ? {} : server, duration),
    plans: plans === false ? null : planSettings(plans === true ? {} : plans, duration),
    slowMs: slowQueryMs ?? usualSlowMs,
    alerting: {
      rules,
      channels: notify,
      heartbeat: hearts,
      logger: options.logger === false ? null : (options.logger ?? console),
      outbox: defaultOutboxTimes,
      times: {
        clearMs: duration(alertTimes.clear, defaultTimes.clearMs, "alertTimes.clear"),
        coolDownMs: duration(alertTimes.coolDown, defaultTimes.coolDownMs, "alertTimes.coolDown"),
        repeatMs: duration(alertTimes.repeat, defaultTimes.repeatMs, "alertTimes.repeat"),
      },
    },
  }
}

type DurationOf = (value: Duration | undefined, otherwise: number, option: string) => number

function collectorSettings(server: ServerOptions, of: DurationOf): CollectorSettings {
  return {
    intervalMs: Math.max(1000, of(server.interval, minute, "server.interval")),
    sampleMs: Math.max(500, of(server.sample, 5000, "server.sample")),
    timeoutMs: Math.max(100, of(server.timeout, 5000, "server.timeout")),
    textsMs: of(server.texts, 5 * minute, "server.texts"),
    upkeepMs: of(server.upkeep, 60 * minute, "server.upkeep"),
    exclusive: server.exclusive ?? true,
  }
}

function planSettings(plans: PlanOptions, of: DurationOf): PlanSettings {
  return {
    everyMs: of(plans.every, 10 * minute, "plans.every"),
    spacingMs: 1000,
    timeoutMs: Math.max(100, of(plans.timeout, 5000, "plans.timeout")),
    analyze: plans.analyze ?? false,
  }
}

function checkChannel(channel: AlertChannel, path: string): void {
  if (typeof channel?.send !== "function")
    throw new SelectoError(
      "E_INVALID_OPTION",
      `${path} is a channel: webhook(url), slack(url), or an object with a name and send(notification).`,
      { path },
    )
}
