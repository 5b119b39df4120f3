import { Listr, type ListrTaskWrapper } from 'listr2';
import type { BlockRunStatus } from '../generated/graphql/graphql.ts';

type Block = { readonly blockUuid: string; readonly status: BlockRunStatus };
type Detail = { readonly attempt: number; readonly reason: string | null };

/** Shows how the blocks of one run stand. */
export type Progress = {
  readonly block: (uuid: string, status: BlockRunStatus, detail: Detail) => void;
  /** Leaves the last state on the screen. */
  readonly end: () => Promise<void>;
};

/** On a terminal: a line per block that moves. Elsewhere (a file, CI): a line per change. */
export function showProgress(blocks: readonly Block[], out: NodeJS.WriteStream): Progress {
  return out.isTTY ? movingLines(blocks) : plainLines(blocks, out);
}

function plainLines(blocks: readonly Block[], out: NodeJS.WriteStream): Progress {
  const width = Math.max(...blocks.map((block) => block.blockUuid.length), 1);
  const write = (uuid: string, status: BlockRunStatus, detail: Detail) => {
    const reason = isBad(status) && detail.reason ? `: ${detail.reason}` : '';
    out.write(`  ${uuid.padEnd(width)}  ${words(status)}${again(detail)}${reason}\n`);
  };
  for (const { blockUuid, status } of blocks)
    if (status !== 'INITIAL') write(blockUuid, status, { attempt: 0, reason: null });
  return {
    block: write,
    end: async () => {},
  };
}

type Task = ListrTaskWrapper<unknown, never, never>;
type Line = { task: Task | null; status: BlockRunStatus; detail: Detail; settle: (() => void) | null };

function movingLines(blocks: readonly Block[]): Progress {
  const lines = new Map<string, Line>(
    blocks.map(({ blockUuid, status }) => [
      blockUuid,
      { task: null, status, detail: { attempt: 0, reason: null }, settle: null },
    ]),
  );
  const list = new Listr(
    blocks.map(({ blockUuid }) => ({
      title: blockUuid,
      task: (_context: unknown, task) =>
        new Promise<void>((resolve, reject) => {
          const line = lines.get(blockUuid);
          if (!line) return resolve();
          line.task = task as unknown as Task;
          line.settle = () => {
            if (line.status === 'COMPLETED') resolve();
            else if (line.status === 'FAILED') reject(new Error(line.detail.reason ?? 'failed'));
            else {
              task.skip(`${blockUuid} ${words(line.status)}`);
              resolve();
            }
          };
          show(blockUuid, line);
        }),
    })),
    {
      concurrent: true,
      exitOnError: false,
      registerSignalListeners: false,
      rendererOptions: { collapseErrors: false },
    },
  );
  const finished = list.run();

  function show(uuid: string, line: Line): void {
    if (line.task)
      line.task.title = line.status === 'COMPLETED' ? uuid : `${uuid}  ${words(line.status)}${again(line.detail)}`;
    if (isEnd(line.status)) line.settle?.();
  }

  return {
    block(uuid, status, detail) {
      const line = lines.get(uuid);
      if (!line) return;
      line.status = status;
      line.detail = detail;
      show(uuid, line);
    },
    async end() {
      for (const line of lines.values()) line.settle?.();
      await finished.catch(() => {});
    },
  };
}

function words(status: BlockRunStatus): string {
  return status.toLowerCase().replaceAll('_', ' ');
}

function again({ attempt }: Detail): string {
  return attempt > 1 ? ` (attempt ${attempt})` : '';
}

function isBad(status: BlockRunStatus): boolean {
  return status === 'FAILED' || status === 'UPSTREAM_FAILED' || status === 'CANCELLED';
}

function isEnd(status: BlockRunStatus): boolean {
  return status !== 'INITIAL' && status !== 'QUEUED' && status !== 'RUNNING';
}
