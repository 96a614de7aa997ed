/** Server-sent events out of a byte stream (WHATWG HTML, 9.2). */

export interface ServerEvent {
  readonly event: string;
  /** Where to resume after this event. */
  readonly id?: string;
  /** Empty when the event only moves the place from which to resume. */
  readonly data: string;
}

/** Parses events; comments (pings) come out as `undefined`, so that a reader can tell silence from quiet. */
export async function* readEvents(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<ServerEvent | undefined> {
  const decoder = new TextDecoder();
  let rest: string[] = [];
  let event = 'message';
  let data: string[] = [];
  let id: string | undefined;
  for await (const chunk of bytes) {
    const [first = '', ...others] = decoder.decode(chunk, { stream: true }).split('\n');
    rest.push(first);
    for (const next of others) {
      // No expression over the whole: a line can hold a snapshot of many megabytes.
      const whole = rest.join('');
      const line = whole.endsWith('\r') ? whole.slice(0, -1) : whole;
      rest = [next];
      if (line === '') {
        if (data.length > 0 || id !== undefined)
          yield { event, ...(id === undefined ? {} : { id }), data: data.join('\n') };
        event = 'message';
        data = [];
        id = undefined;
      } else if (line.startsWith(':')) yield undefined;
      else if (line.startsWith('event:')) event = line.slice(6).trimStart();
      else if (line.startsWith('id:')) id = line.slice(3).trimStart();
      else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
  }
}
