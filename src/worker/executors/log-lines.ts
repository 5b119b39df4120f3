/**
 * Cuts a stream of bytes into log lines: at newlines, and within very long lines every 32 KB.
 */

/** The longest log line, in bytes. */
export const longestLine = 32 * 1024;

/** Takes chunks of one stream; `end` gives away a last line that had no newline. */
export type LineCutter = { readonly push: (chunk: Buffer) => void; readonly end: () => void };

const newline = 0x0a;

/** Makes a cutter that hands each line to `onLine`: without its newline, bytes that are no UTF-8 replaced. */
export function createLineCutter(onLine: (line: string) => void): LineCutter {
  let rest: Buffer = Buffer.alloc(0);

  function cut(): void {
    let start = 0;
    for (;;) {
      const end = rest.indexOf(newline, start);
      const stop = end === -1 ? rest.length : end;
      while (stop - start > longestLine) {
        const middle = characterBoundary(rest, start + longestLine);
        onLine(decode(rest.subarray(start, middle)));
        start = middle;
      }
      if (end === -1) break;
      onLine(decode(rest.subarray(start, end)));
      start = end + 1;
    }
    rest = rest.subarray(start);
  }

  return {
    push: (chunk) => {
      // Copied only when something is kept: the chunk may be a slice of a much larger buffer.
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      cut();
      rest = Buffer.from(rest);
    },
    end: () => {
      if (rest.length > 0) onLine(decode(rest));
      rest = Buffer.alloc(0);
    },
  };
}

/** Text as the database can hold it: no NUL, no half of a surrogate pair. */
export function storableText(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd');
}

/** Cuts a text that is one log line already into pieces of at most 32 KB. */
export function cutText(text: string): readonly string[] {
  if (text.length * 3 <= longestLine) return [storableText(text)];
  const pieces: string[] = [];
  const bytes = Buffer.from(text);
  for (let start = 0; start < bytes.length; ) {
    const end = start + longestLine >= bytes.length ? bytes.length : characterBoundary(bytes, start + longestLine);
    pieces.push(decode(bytes.subarray(start, end)));
    start = end;
  }
  return pieces;
}

/** The last place at or before `index` where no UTF-8 character is cut in two. */
function characterBoundary(bytes: Buffer, index: number): number {
  for (let place = index; place > index - 4; place--) {
    if (((bytes[place] ?? 0) & 0xc0) !== 0x80) return place;
  }
  return index;
}

function decode(bytes: Buffer): string {
  const end = bytes.length > 0 && bytes[bytes.length - 1] === 0x0d ? bytes.length - 1 : bytes.length;
  return storableText(bytes.toString('utf8', 0, end));
}
