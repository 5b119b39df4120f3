import { type PipelineRunStatus, pipelineRunStatuses, type StatusReasonCode } from '../domain/lifecycle.ts';
import type { PipelineRunCriteria } from '../store/list-pipeline-runs.ts';
import { builder } from './builder.ts';
import {
  checkedList,
  DateTimeFilter,
  type DateTimeFilterInput,
  FloatFilter,
  type FloatFilterInput,
  given,
  IdFilter,
  type IdFilterInput,
  idCriteria,
  instantCriteria,
  numberCriteria,
  StringFilter,
  type StringFilterInput,
  textCriteria,
} from './filters.ts';
import { RunCauseRef, type runCauses } from './pipeline-run.ts';
import { invalidInput } from './request-errors.ts';
import { PipelineRunStatusRef, StatusReasonCodeRef } from './status.ts';

/** Which pipeline runs a list shows: the input type, and its translation into what the store is asked. */

const PipelineRunStatusFilter = builder.inputType('PipelineRunStatusFilter', {
  description: 'Comparisons of a status; all that are given must hold.',
  fields: (t) => ({
    in: t.field({ type: [PipelineRunStatusRef], description: 'One of these; an empty list matches nothing.' }),
    notIn: t.field({ type: [PipelineRunStatusRef], description: 'None of these.' }),
  }),
});

type Optional<Shape> = { readonly [Key in keyof Shape]?: Shape[Key] | null | undefined };

export type PipelineRunFilterInput = Optional<{
  id: IdFilterInput;
  pipelineUuid: StringFilterInput;
  tag: StringFilterInput;
  status: Optional<{ in: PipelineRunStatus[]; notIn: PipelineRunStatus[] }>;
  triggerId: IdFilterInput;
  parentRunId: IdFilterInput;
  cause: (typeof runCauses)[number][];
  statusReason: StatusReasonCode[];
  executionDate: DateTimeFilterInput;
  createdAt: DateTimeFilterInput;
  startedAt: DateTimeFilterInput;
  completedAt: DateTimeFilterInput;
  durationMs: FloatFilterInput;
  passedSla: boolean;
  lastRunFailed: boolean;
  and: PipelineRunFilterInput[];
  or: PipelineRunFilterInput[];
  not: PipelineRunFilterInput;
}>;

export const PipelineRunFilter = builder.inputRef<PipelineRunFilterInput>('PipelineRunFilter');

PipelineRunFilter.implement({
  description: 'Which pipeline runs; everything given must hold. A null means "not given".',
  fields: (t) => ({
    id: t.field({ type: IdFilter, description: 'The run itself.' }),
    pipelineUuid: t.field({ type: StringFilter, description: 'The pipeline that it is a run of.' }),
    tag: t.field({ type: StringFilter, description: "A tag of the run's pipeline." }),
    status: t.field({ type: PipelineRunStatusFilter, description: 'Where it stands.' }),
    triggerId: t.field({ type: IdFilter, description: 'The trigger that it ran under.' }),
    parentRunId: t.field({ type: IdFilter, description: 'The run one of whose blocks started it.' }),
    cause: t.field({ type: [RunCauseRef], description: 'What caused it: one of these.' }),
    statusReason: t.field({ type: [StatusReasonCodeRef], description: 'Why it stands there: one of these.' }),
    executionDate: t.field({ type: DateTimeFilter, description: 'The logical date.' }),
    createdAt: t.field({ type: DateTimeFilter, description: 'When it was made.' }),
    startedAt: t.field({ type: DateTimeFilter, description: 'When its present attempt began.' }),
    completedAt: t.field({ type: DateTimeFilter, description: 'When it ended.' }),
    durationMs: t.field({ type: FloatFilter, description: 'How long it took; only ended runs match.' }),
    passedSla: t.boolean({ description: 'Whether it took longer than its SLA.' }),
    lastRunFailed: t.boolean({
      description: 'true: the run failed and is the newest of its retries; false or null: no filter.',
    }),
    and: t.field({ type: [PipelineRunFilter], description: 'All of these must hold.' }),
    or: t.field({ type: [PipelineRunFilter], description: 'One of these must hold; an empty list matches nothing.' }),
    not: t.field({ type: PipelineRunFilter, description: 'This must not hold.' }),
  }),
});

const deepest = 5;
const widest = 100;

/** Throws INVALID_INPUT when the filter holds a malformed id, or is deeper or longer than a person would write. */
export function pipelineRunCriteria(filter: PipelineRunFilterInput | null | undefined, depth = 1): PipelineRunCriteria {
  if (!filter) return {};
  if (depth > deepest) throw invalidInput(`A filter's and, or and not can be nested ${deepest - 1} deep.`);
  const many = (name: string, filters: readonly PipelineRunFilterInput[]) => {
    if (filters.length > widest) throw invalidInput(`\`${name}\` has ${filters.length} filters; at most ${widest}.`);
    return filters.map((one) => pipelineRunCriteria(one, depth + 1));
  };
  const { id, pipelineUuid, tag, status, triggerId, parentRunId, cause, statusReason, passedSla, and, or, not } =
    filter;
  return given<PipelineRunCriteria>({
    ids: id && idCriteria('id', 'run', id),
    pipelineUuid: pipelineUuid && textCriteria('pipelineUuid', pipelineUuid),
    tag: tag && textCriteria('tag', tag),
    status: status && given({ in: status.in && statuses(status.in), notIn: status.notIn && statuses(status.notIn) }),
    triggerIds: triggerId && idCriteria('triggerId', 'trg', triggerId),
    parentRunIds: parentRunId && idCriteria('parentRunId', 'run', parentRunId),
    cause: cause && checkedList('cause', cause),
    statusReason: statusReason && checkedList('statusReason', statusReason),
    executionDate: filter.executionDate && instantCriteria(filter.executionDate),
    createdAt: filter.createdAt && instantCriteria(filter.createdAt),
    startedAt: filter.startedAt && instantCriteria(filter.startedAt),
    completedAt: filter.completedAt && instantCriteria(filter.completedAt),
    durationMs: filter.durationMs && numberCriteria(filter.durationMs),
    passedSla,
    lastRunFailed: filter.lastRunFailed ? true : undefined,
    and: and && many('and', and),
    or: or && many('or', or),
    not: not && pipelineRunCriteria(not, depth + 1),
  });
}

/** Each status once, in one order: a list of one is served by the index of that status. */
function statuses(asked: readonly PipelineRunStatus[]): readonly PipelineRunStatus[] {
  return pipelineRunStatuses.filter((status) => asked.includes(status));
}
