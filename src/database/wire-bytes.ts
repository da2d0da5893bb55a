import type { WireStep } from "./wire.ts"

/** The bytes of an exchange, Sync at the end (PostgreSQL documentation, "Message Formats"). */
export function wireBytes(steps: readonly WireStep[]): Uint8Array {
  writer.restart()
  for (const step of steps) {
    if (step.kind === "close") {
      writer.begin("C").byte("P").text(step.portal).end()
      continue
    }
    if (step.kind === "run") {
      writer.begin("P").text("").text(step.text).int16(0).end()
      writer.begin("B").text(step.portal).text("").int16(step.values.length)
      for (const value of step.values) writer.int16(value instanceof Uint8Array ? 1 : 0)
      writer.int16(step.values.length)
      for (const value of step.values) writer.value(value)
      writer.int16(0).end()
      writer.begin("D").byte("P").text(step.portal).end()
    }
    writer.begin("E").text(step.portal).int32(step.maxRows).end()
  }
  return writer.begin("S").end().bytes()
}

/** A scratch buffer that grew beyond this is not kept. */
const keptBytes = 65_536

class MessageWriter {
  #buffer = Buffer.allocUnsafeSlow(8192)
  #at = 0
  #start = 0

  restart(): void {
    this.#at = 0
  }

  begin(kind: string): this {
    this.byte(kind)
    this.#start = this.#at
    return this.int32(0)
  }

  end(): this {
    // The length counts itself but not the kind.
    this.#buffer.writeInt32BE(this.#at - this.#start, this.#start)
    return this
  }

  byte(character: string): this {
    this.#room(1)
    this.#buffer[this.#at++] = character.charCodeAt(0)
    return this
  }

  int16(n: number): this {
    this.#room(2)
    this.#at = this.#buffer.writeUInt16BE(n, this.#at)
    return this
  }

  int32(n: number): this {
    this.#room(4)
    this.#at = this.#buffer.writeInt32BE(n, this.#at)
    return this
  }

  /** Text with a zero byte at its end. */
  text(text: string): this {
    this.#room(text.length * 3 + 1)
    this.#at += this.#buffer.write(text, this.#at)
    this.#buffer[this.#at++] = 0
    return this
  }

  value(value: string | Uint8Array | null): this {
    if (value === null) return this.int32(-1)
    if (typeof value !== "string") {
      this.int32(value.length).#room(value.length)
      this.#buffer.set(value, this.#at)
      this.#at += value.length
      return this
    }
    // UTF-8 takes three bytes a UTF-16 unit at most.
    this.#room(value.length * 3 + 4)
    const written = this.#buffer.write(value, this.#at + 4)
    this.#buffer.writeInt32BE(written, this.#at)
    this.#at += written + 4
    return this
  }

  /** What was written, in a buffer of its own: the socket may hold it while the next exchange is written. */
  bytes(): Uint8Array {
    const bytes = this.#buffer.subarray(0, this.#at)
    if (this.#buffer.length <= keptBytes) return Buffer.from(bytes)
    this.#buffer = Buffer.allocUnsafeSlow(8192)
    return bytes
  }

  #room(bytes: number): this {
    if (this.#at + bytes <= this.#buffer.length) return this
    const bigger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#at + bytes))
    this.#buffer.copy(bigger, 0, 0, this.#at)
    this.#buffer = bigger
    return this
  }
}

/** One for all: an exchange is written in one turn. */
const writer = new MessageWriter()
