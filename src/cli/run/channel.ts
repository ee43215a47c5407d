import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { reasonOf, SecretsError } from '../../core/errors.ts'
import { encodeFrame, FrameReader, type Hello } from '../../runtime/frames.ts'
import type { Texts } from './run-values.ts'
import { sweep } from './sweep.ts'

/** How long somebody who connects may be silent, in ms. */
const PATIENCE = 5000
/** Bytes of a hello; more is none. */
const LONGEST_HELLO = 1024
/** What the address of a socket may have in bytes on every system (`sun_path`: 104 on macOS, 108 on Linux). */
const LONGEST_ADDRESS = 100
/** Begins the name of the folder that a run makes for its socket. */
const FOLDER = 'secrets-run-'

/**
 * Hands values to programs that carry our runtime: a socket in a folder that only this user can enter, and a
 * token made for this run, without which nothing is told. `src/runtime/channel.ts` is the other end.
 */
export class Channel {
  readonly #folder: string | undefined
  readonly #address: string
  readonly #token = randomBytes(32).toString('base64url')
  readonly #live: boolean
  readonly #server: Server
  readonly #listening = new Set<Socket>()
  readonly #open = new Set<Socket>()
  #frame: Uint8Array

  /**
   * @param live whether changes will be told
   * @throws SecretsError FILE_UNREADABLE where no socket can be made
   */
  static async open(texts: Texts, live: boolean): Promise<Channel> {
    const channel = new Channel(texts, live)
    await new Promise<void>((resolve, reject) => {
      channel.#server.once('error', (error) => {
        channel.close()
        const what = `Cannot hand values to the program: no socket at ${channel.#address} (${reasonOf(error)}).`
        reject(new SecretsError('FILE_UNREADABLE', what))
      })
      channel.#server.listen(channel.#address, resolve)
    })
    if (channel.#folder !== undefined) void sweep(dirname(channel.#folder), FOLDER)
    return channel
  }

  private constructor(texts: Texts, live: boolean) {
    this.#live = live
    this.#frame = encodeFrame({ values: texts })
    if (process.platform === 'win32') {
      this.#address = `\\\\.\\pipe\\${FOLDER}${randomBytes(16).toString('hex')}`
    } else {
      this.#folder = makeFolder()
      this.#address = join(this.#folder, 's')
    }
    this.#server = createServer((socket) => this.#admit(socket))
    // The program is what the process waits for.
    this.#server.unref()
  }

  /** What a program needs to know, in its environment. The address comes last: it may have colons. */
  get variable(): string {
    return `1:${process.pid}:${this.#token}:${this.#live ? 1 : 0}:${this.#address}`
  }

  /** For the program that is started itself, on the descriptor it inherits. */
  get frame(): Uint8Array {
    return this.#frame
  }

  /** How many programs hear of changes. */
  get listeners(): number {
    return this.#listening.size
  }

  /** Gives these values to whoever listens, and to who comes later. */
  hand(texts: Texts): void {
    this.#frame = encodeFrame({ values: texts })
    for (const socket of this.#listening) this.#send(socket)
  }

  close(): void {
    this.#server.close()
    for (const socket of this.#open) socket.destroy()
    if (this.#folder !== undefined) rmSync(this.#folder, { recursive: true, force: true })
  }

  #send(socket: Socket): void {
    // Who is slow gets the last state when there is room, not every one in between.
    if (socket.writableNeedDrain) return
    const frame = this.#frame
    if (!socket.write(frame)) {
      socket.once('drain', () => {
        if (this.#frame !== frame) this.#send(socket)
      })
    }
  }

  #admit(socket: Socket): void {
    this.#open.add(socket)
    socket.once('close', () => {
      this.#open.delete(socket)
      this.#listening.delete(socket)
    })
    // A program may end at any time.
    socket.on('error', () => {})
    const timer = setTimeout(() => socket.destroy(), PATIENCE).unref()
    const frames = new FrameReader<Partial<Hello> | null>(LONGEST_HELLO)
    const hear = (bytes: Uint8Array): void => {
      const found = frames.take(bytes)
      if (found?.length === 0) return
      clearTimeout(timer)
      socket.off('data', hear).resume()
      const hello = found?.[0]
      if (!this.#knows(hello?.token)) socket.destroy()
      else if (hello?.stays === true) {
        this.#listening.add(socket)
        this.#send(socket)
      } else socket.end(this.#frame)
    }
    socket.on('data', hear)
  }

  #knows(token: unknown): boolean {
    const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
    return typeof token === 'string' && timingSafeEqual(digest(token), digest(this.#token))
  }
}

/** For this user alone (`mkdtemp` makes it 0700), and short enough for a socket's address. */
function makeFolder(): string {
  const isShort = Buffer.byteLength(join(tmpdir(), `${FOLDER}XXXXXX`, 's')) <= LONGEST_ADDRESS
  const parent = isShort ? tmpdir() : '/tmp'
  try {
    return mkdtempSync(join(parent, FOLDER))
  } catch (error) {
    throw new SecretsError('FILE_UNREADABLE', `Cannot make a folder in ${parent}: ${reasonOf(error)}.`, {
      hint: 'Set TMPDIR to a folder that can be written.',
    })
  }
}
