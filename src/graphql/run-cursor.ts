export function formatRunCursor(pipelineRunId: bigint, seq: number): string {
  return Buffer.from(`r1.${pipelineRunId}.${seq}`).toString('base64url');
}
export function parseRunCursor(cursor: string): { readonly pipelineRunId: bigint; readonly seq: number } | null {
  const match = /^r1\.([0-9]{1,18})\.([0-9]{1,9})$/.exec(Buffer.from(cursor, 'base64url').toString('utf8'));
  return match ? { pipelineRunId: BigInt(match[1]!), seq: Number(match[2]) } : null;
}
