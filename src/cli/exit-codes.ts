/** What the CLI's exit codes mean. */
export const exitCodes = {
  completed: 0,
  failed: 1,
  cancelled: 2,
  /** The server said no, or there is no such pipeline or run. */
  refused: 3,
  noServer: 4,
  usage: 64,
  /** Ctrl-C, as shells count it. */
  interrupted: 130,
} as const;
