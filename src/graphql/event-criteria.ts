import type { RunEventKind, RunEventRecord } from '../domain/events.ts';
import type { TextCriteria } from '../store/text-criteria.ts';
import {
  checkedList,
  given,
  type IdCriteria,
  type IdFilterInput,
  idCriteria,
  type StringFilterInput,
  textCriteria,
} from './filters.ts';
import { meetsText } from './text-predicate.ts';

/** Which events a subscription is about; everything given must hold. */
export type EventCriteria = {
  readonly pipelineUuid?: TextCriteria;
  readonly pipelineRunIds?: IdCriteria;
  readonly blockUuid?: TextCriteria;
  readonly kinds?: readonly RunEventKind[];
  /** The new status. */
  readonly to?: readonly string[];
};

type FilterInput = {
  readonly pipelineUuid?: StringFilterInput | null | undefined;
  readonly pipelineRunId?: IdFilterInput | null | undefined;
  readonly blockUuid?: StringFilterInput | null | undefined;
  readonly kind?: readonly RunEventKind[] | null | undefined;
  readonly to?: readonly string[] | null | undefined;
};

export function eventCriteria(filter: FilterInput | null | undefined): EventCriteria {
  if (!filter) return {};
  const { pipelineUuid, pipelineRunId, blockUuid, kind, to } = filter;
  return given<EventCriteria>({
    pipelineUuid: pipelineUuid && textCriteria('pipelineUuid', pipelineUuid),
    pipelineRunIds: pipelineRunId && idCriteria('pipelineRunId', 'run', pipelineRunId),
    blockUuid: blockUuid && textCriteria('blockUuid', blockUuid),
    kinds: kind && checkedList('kind', kind),
    to: to && checkedList('to', to),
  });
}

/** The criteria, other than the kinds, as a test of one event. An event without a block doesn't meet a condition on its block. */
export function eventPredicate(criteria: EventCriteria): (event: RunEventRecord) => boolean {
  const { pipelineUuid, pipelineRunIds, blockUuid, to } = criteria;
  const among = pipelineRunIds?.in && new Set(pipelineRunIds.in);
  const notAmong = pipelineRunIds?.notIn && new Set(pipelineRunIds.notIn);
  return (event) =>
    (among === undefined || among.has(event.pipelineRunId)) &&
    (notAmong === undefined || !notAmong.has(event.pipelineRunId)) &&
    meetsText(pipelineUuid, event.pipelineUuid) &&
    (blockUuid === undefined || (event.blockUuid !== null && meetsText(blockUuid, event.blockUuid))) &&
    (to === undefined || (event.toStatus !== null && to.includes(event.toStatus)));
}
