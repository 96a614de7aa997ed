/** Server-sent events out of a byte stream (WHATWG HTML, 9.2). */

/** Text in UTF-8 that is not made one string, because it can be long. */
export type TextBytes = readonly Uint8Array[];

export interface ServerEvent {
  readonly event: string;
  /** Where to resume after this event. */
  readonly id?: string;
  /** As it came, for it can be a snapshot of many megabytes. Nothing when the event only moves the place from which to resume. */
  readonly data: TextBytes;
}

const [lf, cr, blank] = [10, 13, 32];

/** Decodes piece by piece. */
export function* decoded(bytes: TextBytes): Generator<string> {
  const decoder = new TextDecoder();
  for (const piece of bytes) yield decoder.decode(piece, { stream: true });
  yield decoder.decode();
}

export const textOf = (bytes: TextBytes): string => [...decoded(bytes)].join('');

/** Without so many bytes at the beginning. */
function after(bytes: TextBytes, count: number): TextBytes {
  let left = count;
  return bytes.flatMap((piece) => {
    const rest = piece.subarray(left);
    left -= piece.length - rest.length;
    return rest.length > 0 ? [rest] : [];
  });
}

function byteAt(bytes: TextBytes, index: number): number | undefined {
  let left = index;
  for (const piece of bytes) {
    if (left < piece.length) return piece[left];
    left -= piece.length;
  }
  return undefined;
}

function withoutCr(line: TextBytes): TextBytes {
  const last = line.at(-1);
  return last?.at(-1) === cr ? [...line.slice(0, -1), last.subarray(0, -1)] : line;
}

const fields = ['event', 'id', 'data'] as const;
type Field = (typeof fields)[number];

/** As much of a line as the name of a field takes. */
const headOf = (line: TextBytes): string =>
  Array.from({ length: 6 }, (_, index) => String.fromCharCode(byteAt(line, index) ?? 0)).join('');

/** Name and value of a line; undefined for a field that means nothing here. */
function fieldOf(line: TextBytes): { readonly name: Field; readonly value: TextBytes } | undefined {
  const name = fields.find((field) => headOf(line).startsWith(`${field}:`));
  if (name === undefined) return undefined;
  const length = name.length + 1;
  return { name, value: after(line, byteAt(line, length) === blank ? length + 1 : length) };
}

async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<TextBytes> {
  let line: Uint8Array[] = [];
  for await (const chunk of chunks) {
    let at = 0;
    for (let end; (end = chunk.indexOf(lf, at)) >= 0; at = end + 1) {
      if (end > at) line.push(chunk.subarray(at, end));
      yield withoutCr(line);
      line = [];
    }
    if (at < chunk.length) line.push(chunk.subarray(at));
  }
}

/** Parses events; comments (pings) come out as `undefined`, so that a reader can tell silence from quiet. */
export async function* readEvents(
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<ServerEvent | undefined> {
  let event = 'message';
  let data: TextBytes[] = [];
  let id: string | undefined;
  for await (const line of readLines(chunks)) {
    const first = byteAt(line, 0);
    const field = fieldOf(line);
    if (first === undefined) {
      if (data.length > 0 || id !== undefined)
        yield { event, ...(id === undefined ? {} : { id }), data: joinLines(data) };
      event = 'message';
      data = [];
      id = undefined;
    } else if (first === ':'.charCodeAt(0)) yield undefined;
    else if (field?.name === 'event') event = textOf(field.value);
    else if (field?.name === 'id') id = textOf(field.value);
    else if (field?.name === 'data') data.push(field.value);
  }
}

const joinLines = (lines: readonly TextBytes[]): TextBytes =>
  lines.flatMap((line, index) => (index === 0 ? line : [Uint8Array.of(lf), ...line]));
