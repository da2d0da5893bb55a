/** One call into the worker; calls are answered in order. */
export interface Call {
  readonly id: number
  readonly method: "start" | "begin" | "add" | "build" | "refresh" | "plan" | "size" | "close"
  readonly args: readonly unknown[]
}

export type Answer =
  | { readonly id: number; readonly result: unknown }
  | {
      readonly id: number
      readonly error: {
        /** SQLSTATE or a code of ours. */
        readonly code: string | null
        readonly message: string
        readonly name: string
        /** The engine is broken and must be started anew. */
        readonly fatal: boolean
      }
    }
