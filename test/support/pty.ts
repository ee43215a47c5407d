import { spawn } from 'node:child_process'

export interface TerminalStep {
  /** What has to be on the screen first. */
  readonly wait: string
  /** The keys that are typed then. */
  readonly send: string
}

export interface TerminalRun {
  readonly code: number
  /** Everything that the terminal was sent, as it came. */
  readonly screen: string
  /** What went into a pipe, where the standard output was one. */
  readonly stdout: string
}

const DRIVER = `
import base64, fcntl, json, os, pty, select, subprocess, sys, termios
spec = json.loads(sys.argv[1])
master, slave = pty.openpty()
fcntl.ioctl(slave, termios.TIOCSWINSZ, b"\\x18\\x00\\x78\\x00" + bytes(4))
def control():
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
out = subprocess.PIPE if spec["pipeOutput"] else slave
child = subprocess.Popen(spec["argv"], stdin=slave, stdout=out, stderr=slave, cwd=spec["cwd"], env=spec["env"], preexec_fn=control)
os.close(slave)
screen, seen, stdout = b"", 0, b""
steps = spec["steps"]
ends = [master] + ([child.stdout.fileno()] if spec["pipeOutput"] else [])
while ends:
    for end in select.select(ends, [], [])[0]:
        try:
            data = os.read(end, 65536)
        except OSError:
            data = b""
        if not data:
            ends.remove(end)
            if end == master:
                ends = [e for e in ends if e != master]
        elif end == master:
            screen += data
        else:
            stdout += data
    while steps and steps[0]["wait"].encode() in screen[seen:]:
        step = steps.pop(0)
        seen = len(screen)
        os.write(master, step["send"].encode())
code = child.wait()
print(json.dumps({"code": code, "screen": base64.b64encode(screen).decode(), "stdout": base64.b64encode(stdout).decode()}))
`

/** Runs a program at a terminal of its own, and types. @param python the interpreter of the tests */
export function atTerminal(
  python: string,
  options: {
    readonly argv: readonly string[]
    readonly cwd: string
    readonly env: Readonly<Record<string, string>>
    readonly steps?: readonly TerminalStep[]
    /** Whether the standard output is a pipe, and only the rest the terminal. */
    readonly pipeOutput?: boolean
  },
): Promise<TerminalRun> {
  const { argv, cwd, env, steps = [], pipeOutput = false } = options
  const spec = JSON.stringify({ argv, cwd, env: { TERM: 'xterm', ...env }, steps, pipeOutput })
  const child = spawn(python, ['-c', DRIVER, spec], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    text += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('close', () => {
      try {
        const { code, screen, stdout } = JSON.parse(text) as { code: number; screen: string; stdout: string }
        const decode = (encoded: string) => Buffer.from(encoded, 'base64').toString()
        resolve({ code, screen: decode(screen), stdout: decode(stdout) })
      } catch (error) {
        reject(error)
      }
    })
  })
}
