import { ownQuery } from "./own-query.ts"
import type { PgConnection } from "./pg-types.ts"

type DataListener = (chunk: Uint8Array) => void

/** The socket of a connection, as far as a COPY needs it. */
interface Socket {
  listeners(event: "data"): DataListener[]
  on(event: "data", listener: DataListener): unknown
  removeListener(event: "data", listener: DataListener): unknown
  pause(): unknown
  resume(): unknown
  write(bytes: Uint8Array): unknown
  readonly writable: boolean
}

/** Bytes that wait for their reader before the socket is stopped. */
const highWater = 1024 * 1024

const copyData = 0x64
const copyDone = 0x63
const copyOutResponse = 0x48
const commandComplete = 0x43
const readyForQuery = 0x5a

/**
 * A submittable of the pg driver that runs COPY … TO STDOUT and reads the socket itself meanwhile: the driver's parser makes an
 * object and an event of every row. Whatever is not the copy's own goes on to the driver. The socket stands still while the reader
 * is behind.
 */
export class PgCopyExchange {
  readonly text: string
  readonly values: readonly unknown[] = []
  callback: (error?: unknown) => void = noop
  /** Resolved when the server has nothing more to say, rejected when it refused. */
  readonly done: Promise<void>
  /** Set when the driver lost its patience before the server had answered. */
  settled: Promise<void> | null = null
  /** Frames of data so far, of which the server sends one a row; at the end, the rows that it says it has copied. */
  rows = 0
  #onFirstReply: (() => void) | undefined
  #resolve!: () => void
  #reject!: (error: unknown) => void
  #settle: () => void = noop
  #socket: Socket | null = null
  #listeners: DataListener[] = []
  #chunks: Uint8Array[] = []
  #queued = 0
  #discarding = false
  #ended = false
  #wake: () => void = noop
  /** A frame that is not copied data and has not come whole, or a frame's head. */
  #partial: Buffer | null = null
  /** Bytes of copied data that the frame under way still has. */
  #left = 0
  /** What has come of a row that is not whole yet. */
  #begun: Buffer[] = []

  constructor(text: string, onFirstReply?: () => void) {
    this.text = text
    this.#onFirstReply = onFirstReply
    this.done = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
    this.done.catch(noop)
  }

  /** True when no more data will come. */
  get ended(): boolean {
    return this.#ended
  }

  /** The next bytes of the data; null at its end, whatever it was: `done` tells. */
  async next(): Promise<Uint8Array | null> {
    while (this.#chunks.length === 0) {
      if (this.#ended) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
    const chunk = this.#chunks.shift()!
    this.#queued -= chunk.length
    if (this.#queued < highWater / 2) this.#socket?.resume()
    return chunk
  }

  /** Nobody reads any more: what comes is thrown away. */
  discard(): void {
    this.#discarding = true
    this.#chunks = []
    this.#queued = 0
    this.#socket?.resume()
  }

  submit(connection: PgConnection): null {
    const socket = connection.stream as unknown as Socket
    this.#socket = socket
    this.#listeners = socket.listeners("data")
    for (const listener of this.#listeners) socket.removeListener("data", listener)
    socket.on("data", this.#onData)
    if (socket.writable) socket.write(queryMessage(this.text))
    return null
  }

  readonly #onData = (chunk: Uint8Array): void => {
    this.#read(chunk as Buffer)
    if (this.#queued > highWater) this.#socket?.pause()
    this.#wake()
  }

  /** Sorts a chunk: copied data is moved together within the chunk, which is ours alone; other frames go to the driver. */
  #read(received: Buffer): void {
    let chunk = received
    if (this.#partial !== null) {
      chunk = Buffer.concat([this.#partial, received])
      this.#partial = null
    }
    let at = 0
    let kept = 0
    /** Where the row begins that the kept data ends with. */
    let row = 0
    while (at < chunk.length) {
      if (this.#left > 0) {
        const size = Math.min(this.#left, chunk.length - at)
        chunk.copyWithin(kept, at, at + size)
        kept += size
        at += size
        this.#left -= size
        if (this.#left === 0) row = kept
        continue
      }
      if (chunk.length - at < 5) {
        this.#partial = Buffer.from(chunk.subarray(at))
        break
      }
      const kind = chunk[at]!
      const size = chunk.readUInt32BE(at + 1) + 1
      if (kind === copyData) {
        this.#left = size - 5
        this.rows++
        at += 5
        continue
      }
      if (chunk.length - at < size) {
        this.#partial = Buffer.from(chunk.subarray(at))
        break
      }
      const frame = Buffer.from(chunk.subarray(at, at + size))
      at += size
      if (kind === copyOutResponse || kind === copyDone) {
        this.#replied()
        continue
      }
      if (kind === commandComplete) this.rows = Number(/\d+/.exec(frame.toString("latin1", 5))?.[0] ?? this.rows)
      if (kind === readyForQuery) {
        this.#keep(chunk, row, kept)
        const rest = Buffer.from(chunk.subarray(at))
        this.#detach()
        this.#forward(frame)
        if (rest.length > 0) this.#forward(rest)
        return
      }
      this.#forward(frame)
    }
    this.#keep(chunk, row, kept)
  }

  /** Hands on whole rows; the beginning of one waits for its end. */
  #keep(chunk: Buffer, row: number, kept: number): void {
    if (this.#discarding) {
      this.#begun = []
      return
    }
    const whole = chunk.subarray(0, row)
    if (whole.length > 0) {
      const piece = this.#begun.length === 0 ? whole : Buffer.concat([...this.#begun, whole])
      this.#begun = []
      this.#chunks.push(piece)
      this.#queued += piece.length
    }
    if (kept > row) this.#begun.push(Buffer.from(chunk.subarray(row, kept)))
  }

  #detach(): void {
    const socket = this.#socket!
    this.#socket = null
    socket.removeListener("data", this.#onData)
    for (const listener of this.#listeners) socket.on("data", listener)
    socket.resume()
  }

  #forward(bytes: Buffer): void {
    for (const listener of this.#listeners) listener(bytes)
  }

  #replied(): void {
    const onFirstReply = this.#onFirstReply
    this.#onFirstReply = undefined
    onFirstReply?.()
  }

  // What the driver passes on of the frames that it was given.

  handleRowDescription(): void {}
  handleDataRow(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}

  handleReadyForQuery(): void {
    this.#end()
    this.#resolve()
    this.#settle()
    this.callback()
  }

  handleError(error: unknown): void {
    this.#replied()
    if (error instanceof Error && error.message === "Query read timeout") {
      // Only the driver has lost patience: the server works on.
      this.settled = new Promise((resolve) => {
        this.#settle = resolve
      })
      this.discard()
    }
    this.#end()
    this.#reject(error)
    this.callback(error)
  }

  #end(): void {
    this.#ended = true
    this.#wake()
  }
}

Object.defineProperty(PgCopyExchange.prototype, ownQuery, { value: true })

/** The simple query message: COPY cannot be awaited row by row in the extended protocol any better, and takes no parameters. */
function queryMessage(text: string): Uint8Array {
  const length = Buffer.byteLength(text)
  const message = Buffer.allocUnsafe(length + 6)
  message[0] = 0x51
  message.writeInt32BE(length + 5, 1)
  message.write(text, 5)
  message[length + 5] = 0
  return message
}

function noop(): void {}
