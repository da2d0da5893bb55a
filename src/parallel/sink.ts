import { type FileHandle, open, rename, rm } from "node:fs/promises"
import { SelectoError } from "../errors.ts"

/** A stream that bytes are written to, as Node's are. */
export interface WritableLike {
  /** False when it wants to be left alone until "drain". */
  write(bytes: Uint8Array): boolean
  on(event: "drain" | "error" | "close", listener: (error?: Error) => void): unknown
  removeListener(event: "drain" | "error" | "close", listener: (error?: Error) => void): unknown
  readonly destroyed?: boolean
}

/** Where an export goes: a file's path, a stream, which is not ended, or a function. */
export type ExportTarget = string | WritableLike | ((bytes: Uint8Array) => void | Promise<void>)

export interface Sink {
  /** Resolves when more may be written. One write at a time. */
  write(bytes: Uint8Array): Promise<void>
  /** The export is complete. */
  finish(): Promise<void>
  /** It is not: nothing of ours stays behind. Never rejects. */
  discard(): Promise<void>
}

/** Opens a target. Throws E_INVALID_OPTION for what is none. */
export async function openSink(to: ExportTarget): Promise<Sink> {
  if (typeof to === "string" && to !== "") return fileSink(to)
  if (typeof to === "function") return { write: async (bytes) => to(bytes), finish: async () => {}, discard: async () => {} }
  if (typeof to === "object" && to !== null && typeof to.write === "function" && typeof to.on === "function")
    return streamSink(to)
  throw new SelectoError("E_INVALID_OPTION", "`to` is the path of a file, a writable stream, or a function that takes bytes.", {
    path: "to",
  })
}

/** The file appears under its name when it is whole; until then it has another. */
async function fileSink(path: string): Promise<Sink> {
  const part = `${path}.part`
  const file = await openFile(part)
  return {
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at)).bytesWritten
    },
    finish: async () => {
      await file.close()
      await rename(part, path)
    },
    discard: async () => {
      await file.close().catch(() => {})
      await rm(part, { force: true }).catch(() => {})
    },
  }
}

async function openFile(path: string): Promise<FileHandle> {
  try {
    return await open(path, "w")
  } catch (cause) {
    throw new SelectoError("E_INVALID_OPTION", "The file of `to` cannot be written; see cause.", { path: "to", cause })
  }
}

/** Listens as long as the export lasts: a stream that closes between two writes would never ask for the next. */
function streamSink(stream: WritableLike): Sink {
  let failure: Error | null = stream.destroyed === true ? closed() : null
  let wake: () => void = () => {}
  const onDrain = (): void => wake()
  const onEnd = (error?: Error): void => {
    failure ??= error ?? closed()
    wake()
  }
  stream.on("drain", onDrain)
  stream.on("error", onEnd)
  stream.on("close", onEnd)
  const end = async (): Promise<void> => {
    stream.removeListener("drain", onDrain)
    stream.removeListener("error", onEnd)
    stream.removeListener("close", onEnd)
  }
  return {
    write: async (bytes) => {
      if (failure !== null) throw failure
      const drained = new Promise<void>((resolve) => {
        wake = resolve
      })
      if (!stream.write(bytes)) await drained
      if (failure !== null) throw failure
    },
    finish: end,
    discard: end,
  }
}

function closed(): SelectoError {
  return new SelectoError("E_ABORTED", "The stream that the export was written to has been closed.")
}
