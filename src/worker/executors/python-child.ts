import type { Socket } from 'node:net';
import { createFrameReader, encodeFrame } from './python-frames.ts';

/** A forked process that waits for its one task. */
export type PythonChild = {
  /** Also its process group. */
  readonly pid: number;
  /** Counts how often the fork server had imported something when this child was forked. */
  readonly generation: number;
  /** CPU time it had used when it said hello. */
  readonly cpuTimeMs: number;
  readonly sendTask: (task: string) => void;
  readonly sendAnswer: (answer: string) => void;
  /** Sets who hears its frames and the end of its connection. */
  readonly listen: (onFrame: (kind: string, payload: Buffer) => void, onEnd: () => void) => void;
  /** Closes the connection; a child that still waits for a task then ends itself. */
  readonly close: () => void;
};

/** Reads a new connection until the child has said hello. */
export function greetChild(socket: Socket, onHello: (child: PythonChild) => void): void {
  let hear: (kind: string, payload: Buffer) => void = () => {};
  let hearEnd = () => {};
  let greeted = false;
  let ended = false;

  socket.on(
    'data',
    createFrameReader((kind, payload) => {
      if (greeted) {
        hear(kind, payload);
        return;
      }
      greeted = true;
      const hello = JSON.parse(payload.toString()) as { pid: number; generation: number; cpuTimeMs: number };
      onHello({
        ...hello,
        sendTask: (task) => socket.write(encodeFrame('T', task)),
        sendAnswer: (answer) => socket.write(encodeFrame('A', answer)),
        listen: (onFrame, onEnd) => {
          hear = onFrame;
          hearEnd = onEnd;
          if (ended) onEnd();
        },
        close: () => socket.destroy(),
      });
    }),
  );
  socket.on('error', () => {}); // It is gone; 'close' follows.
  socket.on('close', () => {
    ended = true;
    hearEnd();
  });
}
