import { AsyncLocalStorage } from "node:async_hooks"

/** What is told to who looks at the server, as `key='value'` in a comment behind the statement. */
export type Tags = Readonly<Record<string, string | undefined>>

export interface TagOptions {
  /** Tags of the whole process, such as `{ application: "shop" }`. Keep their values few: they show up in logs and in pg_stat_statements. */
  readonly static?: Tags | undefined
  /** Adds the tags of `withTags` around the call, such as route and action. Default true when tags are on at all. */
  readonly scoped?: boolean | undefined
  /**
   * Gives a W3C traceparent for the call, or undefined. Off by default: with it every text is new to whatever keys by text.
   * `otelTraceparent` of selecto-pg/otel is one.
   */
  readonly traceparent?: (() => string | undefined) | undefined
}

const scope = new AsyncLocalStorage<Tags>()
const longest = 512

/** Runs `work`; statements made in it, however deep, carry the tags. Nested tags add to those outside. */
export function withTags<T>(tags: Tags, work: () => T): T {
  return scope.run({ ...scope.getStore(), ...tags }, work)
}

/** The comment of a call made now, or undefined where there is nothing to say. */
export function currentComment(options: TagOptions): string | undefined {
  const scoped = options.scoped === false ? undefined : scope.getStore()
  const traceparent = options.traceparent?.()
  if (scoped === undefined && traceparent === undefined) return staticComment(options)
  return commentOf({ ...options.static, ...scoped, traceparent })
}

const comments = new WeakMap<TagOptions, string>()

/** Made once, so that a statement's text with its comment stays the same text. */
function staticComment(options: TagOptions): string | undefined {
  let comment = comments.get(options)
  if (comment === undefined) {
    comment = commentOf(options.static ?? {}) ?? ""
    comments.set(options, comment)
  }
  return comment === "" ? undefined : comment
}

/**
 * Tags in the form of the sqlcommenter specification: keys sorted, both sides percent-encoded, values in single quotes. Quotes and
 * asterisks are encoded too, so no value can end the string or the comment.
 */
export function commentOf(tags: Tags): string | undefined {
  const pairs: string[] = []
  for (const key of Object.keys(tags).sort()) {
    const value = tags[key]
    if (value === undefined || value === "" || key === "") continue
    pairs.push(`${encode(key)}='${encode(value)}'`)
  }
  return pairs.length === 0 ? undefined : `/*${pairs.join(",")}*/`
}

function encode(text: string): string {
  // A lone surrogate, possibly from cutting, has no encoding.
  const well = text.slice(0, longest).replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "")
  return encodeURIComponent(well).replace(/['()*!~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
