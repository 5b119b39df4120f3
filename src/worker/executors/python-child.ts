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
  /** Lets a task run that says it is held. */
  readonly sendGo: () => void;
  readonly sendAnswer: (answer: string) => void;
  /** Sets who hears its frames and the end of what it says. */
  readonly listen: (onFrame: (kind: string, payload: Buffer) => void, onEnd: () => void) => void;
  /** Closes the connection, if it is still this child's; a child that still waits for a task then ends itself. */
  readonly close: () => void;
};

/**
 * Reads a new connection. Children use it one after the other: each begins with its hello, and follows one that has said its last
 * word, for the fork server closes the connection of any other that ends.
 */
export function greetChildren(socket: Socket, onHello: (child: PythonChild) => void): void {
  let hear: (kind: string, payload: Buffer) => void = () => {};
  let hearEnd = () => {};
  let current = 0;
  let closed = false;

  function greet(hello: Buffer): void {
    hearEnd();
    current = hello.readUInt32BE(0);
    const pid = current;
    onHello({
      pid,
      generation: hello.readUInt32BE(4),
      cpuTimeMs: hello.readDoubleBE(8),
      sendTask: (task) => socket.write(encodeFrame('T', task)),
      sendGo: () => socket.write(encodeFrame('G', '')),
      sendAnswer: (answer) => socket.write(encodeFrame('A', answer)),
      listen: (onFrame, onEnd) => {
        hear = onFrame;
        hearEnd = onEnd;
        if (closed) onEnd();
      },
      close: () => void (current === pid && socket.destroy()),
    });
  }

  socket.on(
    'data',
    createFrameReader((kind, payload) => (kind === 'H' ? greet(payload) : hear(kind, payload))),
  );
  socket.on('error', () => {}); // It is gone; 'close' follows.
  socket.on('close', () => {
    closed = true;
    hearEnd();
  });
}
