import type { AlertChannel, AlertNotification } from "../channel.ts"
import { alertLine, detailLines } from "./lines.ts"
import { addressOf, type PostOptions, post } from "./post.ts"

/** The body of a Slack incoming webhook, which Mattermost, Rocket.Chat and others take as well. */
export interface SlackBody {
  readonly text: string
  readonly blocks: readonly { readonly type: "section"; readonly text: { readonly type: "mrkdwn"; readonly text: string } }[]
}

/** Limits of Slack's own: blocks in a message, and characters in a block. */
const mostBlocks = 50
const longestBlock = 3000

/**
 * Posts alerts to a Slack incoming webhook, or to what takes the same body (Mattermost, Rocket.Chat, Discord at its `/slack` address).
 *
 * @example slack(process.env.SLACK_WEBHOOK_URL)
 */
export function slack(url: string | URL, options: PostOptions = {}): AlertChannel {
  const address = addressOf(url, "slack()")
  return {
    name: `slack ${address.host}`,
    send: (notification, { signal }) => post(address, slackBody(notification), options, signal),
    beat: (at, { signal }) => post(address, { text: `selecto-pg is watching (${at.toISOString()})` }, options, signal),
  }
}

export function slackBody({ alerts, omitted }: AlertNotification): SlackBody {
  const shown = alerts.slice(0, mostBlocks - 1)
  const left = omitted + alerts.length - shown.length
  const blocks = shown.map(({ alert, change }) => {
    const mark = change === "resolved" ? ":white_check_mark:" : alert.severity === "critical" ? ":rotating_light:" : ":warning:"
    const details = change === "resolved" ? [] : detailLines(alert).map(escaped)
    return section([`${mark} *${escaped(alertLine(alert, change))}*`, ...details].join("\n"))
  })
  if (left > 0) blocks.push(section(`… and ${left} more of the same kind.`))
  return { text: escaped(alerts[0] === undefined ? "" : alertLine(alerts[0].alert, alerts[0].change)), blocks }
}

function section(text: string): SlackBody["blocks"][number] {
  return {
    type: "section",
    text: { type: "mrkdwn", text: text.length > longestBlock ? `${text.slice(0, longestBlock - 1)}…` : text },
  }
}

/** The three characters that mean something to Slack. */
function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
}
