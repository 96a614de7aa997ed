/** Whether a process that is known by its number still lives, and is still the same process. */
import { readFileSync } from 'node:fs';
import { codeOf } from './error-code.js';

/** A process number, and when the kernel started that process (null where /proc does not tell). */
export interface ProcessIdentity {
  readonly pid: number;
  readonly started: string | null;
}

/** Whether the number is taken, be it by a dead process that nobody has collected. */
export function takesSignals(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) === 'EPERM'; // it lives and belongs to another user
  }
}

interface ProcStat {
  readonly command: string;
  readonly state: string;
  readonly started: string;
}

/** Fields 2, 3 and 22 of proc(5) stat. The command name may hold spaces and parentheses. */
export function parseStat(stat: string): ProcStat | undefined {
  const nameEnd = stat.lastIndexOf(')');
  const fields = stat.slice(nameEnd + 2).split(' ');
  const [state, started] = [fields[0], fields[19]];
  return state && started
    ? { command: stat.slice(stat.indexOf('(') + 1, nameEnd), state, started }
    : undefined;
}

function readStat(pid: number): ProcStat | undefined {
  try {
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return undefined; // macOS has no /proc; a dead process has no entry
  }
}

/** Whether some process has this number now. A dead one that nobody has collected (state Z) does not count. */
export const isAlive = (pid: number): boolean => takesSignals(pid) && readStat(pid)?.state !== 'Z';

/** The name of the program that a process runs, cut at 15 characters; undefined where /proc does not tell. */
export const commandOf = (pid: number): string | undefined => readStat(pid)?.command;

export const identify = (pid: number): ProcessIdentity => ({ pid, started: readStat(pid)?.started ?? null });

/** Numbers are used again, after a reboot and in containers above all; the start time tells the two apart. */
export const isSameProcess = (known: ProcessIdentity): boolean =>
  isAlive(known.pid) && identify(known.pid).started === known.started;
