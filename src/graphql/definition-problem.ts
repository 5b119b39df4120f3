import type { DefinitionProblem } from '../domain/pipeline.ts';
import { builder, forViewers } from './builder.ts';
import { enumValues } from './enums.ts';

const ProblemSeverity = builder.enumType('ProblemSeverity', {
  description: 'How bad a problem in a project file is.',
  values: enumValues(['error', 'warning'], {
    error: 'The pipeline can not run.',
    warning: 'It runs, but perhaps not as meant.',
  }),
});

export const DefinitionProblemRef = builder.objectRef<DefinitionProblem>('DefinitionProblem').implement({
  description: 'Something wrong in a project file: where, and what to do about it.',
  authScopes: forViewers,
  fields: (t) => ({
    severity: t.expose('severity', { type: ProblemSeverity, description: 'Whether the pipeline can still run.' }),
    file: t.exposeString('file', { description: 'The file, relative to the project.' }),
    line: t.exposeInt('line', { nullable: true, description: 'The line, counted from 1; null when not known.' }),
    message: t.exposeString('message', { description: 'What is wrong, and what would be right.' }),
  }),
});
