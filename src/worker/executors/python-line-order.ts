/**
 * Merges the two ways on which an attempt's lines arrive: what the block says comes straight from the child, what its
 * subprocesses write to the pipes comes by the fork server. Each piece tells how much of the other way came before it
 * (penstock_runner/line_order.py).
 */
export type LineOrder = {
  /** A line of the child, said after this many bytes of the pipes. */
  readonly said: (afterBytes: number, deliver: () => void) => void;
  /** Bytes of the pipes, read after this many lines of the child. */
  readonly relayed: (afterLines: number, bytes: number, deliver: () => void) => void;
  /** Delivers what still waits for something that was lost. */
  readonly flush: () => void;
};

type Piece = { readonly after: number; readonly size: number; readonly deliver: () => void };

/** Makes an empty order: nothing was said, nothing relayed. */
export function createLineOrder(): LineOrder {
  const lines: Piece[] = [];
  const pieces: Piece[] = [];
  let linesDelivered = 0;
  let bytesDelivered = 0;

  function deliverLine(): void {
    linesDelivered += 1;
    lines.shift()?.deliver();
  }

  function deliverPiece(): void {
    bytesDelivered += pieces[0]?.size ?? 0;
    pieces.shift()?.deliver();
  }

  function advance(): void {
    for (;;) {
      if (lines[0] && lines[0].after <= bytesDelivered) deliverLine();
      else if (pieces[0] && pieces[0].after <= linesDelivered) deliverPiece();
      else return;
    }
  }

  return {
    said: (after, deliver) => {
      lines.push({ after, size: 1, deliver });
      advance();
    },
    relayed: (after, size, deliver) => {
      pieces.push({ after, size, deliver });
      advance();
    },
    flush: () => {
      while (lines.length > 0 || pieces.length > 0) {
        if (pieces.length > 0) deliverPiece();
        else deliverLine();
        advance();
      }
    },
  };
}
