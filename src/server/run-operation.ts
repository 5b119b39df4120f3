import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
  OperationTypeNode,
} from 'graphql';
import { createEventResults, type EventResults } from './event-results.ts';
import type { OperationRoom } from './operation-room.ts';
import type { PreparedOperation } from './prepare-operation.ts';
import { presentErrors } from './present-errors.ts';

/**
 * A mutation gets so many times the time of a query: it may only stand in line behind others, and who hears nothing of one does not know
 * whether it took effect.
 */
const mutationPatience = 3;

/**
 * Runs a prepared operation: one result, or the results of a subscription, event by event. Never throws and never shows an unexpected error:
 * what goes wrong becomes a masked error in the result. After `deadlineMs`, or three times that for a mutation, the client gets an answer, whatever
 * a resolver still waits for.
 */
export async function runOperation(
  room: OperationRoom,
  prepared: PreparedOperation,
): Promise<ExecutionResult | EventResults> {
  const { request, operation } = prepared;
  const names = { kind: operation.operation, ...operationNames(prepared), requestId: request.requestId };
  room.logger.debug({ ...names, transport: request.transport, principal: request.principal.name }, 'operation');
  if (request.signal.aborted) return { errors: [new GraphQLError('The client is gone.')] };

  const running =
    operation.operation === OperationTypeNode.SUBSCRIPTION ? open(room, prepared) : answer(room, prepared);
  // A loser of the race must not become an unhandled rejection, nor leave a subscription open that nobody reads.
  const deadlineMs = room.deadlineMs * (operation.operation === OperationTypeNode.MUTATION ? mutationPatience : 1);
  const outcome = await withinDeadline(running.catch(thrown), deadlineMs);
  if (outcome === tooLate) {
    void running.then(dispose, () => undefined);
    return { errors: [deadlinePassed(deadlineMs)] };
  }
  return 'next' in outcome ? outcome : presentResult(room, prepared, outcome);
}

async function answer(room: OperationRoom, prepared: PreparedOperation): Promise<ExecutionResult> {
  return execute(await argumentsOf(room, prepared));
}

/** Opens the source of a subscription; each of its events is then executed in a context of its own. */
async function open(room: OperationRoom, prepared: PreparedOperation): Promise<ExecutionResult | EventResults> {
  const source = await createSourceEventStream(await argumentsOf(room, prepared));
  if (!(Symbol.asyncIterator in source)) return source;
  return createEventResults(source, {
    execute: async (event) => {
      const result = await execute({ ...(await argumentsOf(room, prepared)), rootValue: event });
      return presentResult(room, prepared, result);
    },
    explain: (error) =>
      presentResult(room, prepared, thrown(error)).errors?.[0] ?? new GraphQLError('The subscription ended.'),
  });
}

async function argumentsOf(room: OperationRoom, prepared: PreparedOperation): Promise<ExecutionArgs> {
  return {
    schema: room.schema,
    document: prepared.document,
    operationName: prepared.operationName,
    variableValues: prepared.variables,
    contextValue: await room.createContext(prepared.request, prepared.document),
  };
}

function presentResult(room: OperationRoom, prepared: PreparedOperation, result: ExecutionResult): ExecutionResult {
  if (!result.errors || result.errors.length === 0) return result;
  const { request, mayIntrospect } = prepared;
  const operation = operationNames(prepared);
  return {
    ...result,
    errors: presentErrors(result.errors, { request, operation, mayIntrospect, logger: room.logger }),
  };
}

/** What logs say of an operation. Never its variables. */
function operationNames({ operation, documentHash }: PreparedOperation) {
  return { operationName: operation.name?.value ?? null, documentHash };
}

/** A thing that was thrown outside of any field, as a result whose error will be masked. */
function thrown(error: unknown): ExecutionResult {
  if (error instanceof GraphQLError) return { errors: [error] };
  const originalError = error instanceof Error ? error : new Error(String(error));
  return { errors: [new GraphQLError(originalError.message, { originalError })] };
}

function dispose(late: ExecutionResult | EventResults): void {
  if ('next' in late) void late.return();
}

const tooLate = Symbol('too late');

async function withinDeadline<T>(running: Promise<T>, ms: number): Promise<T | typeof tooLate> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<typeof tooLate>((resolve) => {
    timer = setTimeout(resolve, ms, tooLate);
  });
  try {
    return await Promise.race([running, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function deadlinePassed(ms: number): GraphQLError {
  return new GraphQLError(
    `This took longer than ${ms / 1000} s and was given up. A mutation may still have taken effect: look before you repeat it.`,
    {
      extensions: { code: 'DEADLINE_EXCEEDED' },
    },
  );
}
