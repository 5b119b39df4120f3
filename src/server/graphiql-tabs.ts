/** What GraphiQL shows somebody who opens it for the first time: look, do, watch. `$pipelineUuid` is a pipeline of the example project. */
export const firstTabs: readonly { readonly query: string; readonly variables?: string }[] = [
  {
    query: `# Welcome to Penstock.
# Press the triangle (or Ctrl-Enter) to ask.
# The next tabs start a run, and follow all runs live.
query RecentRuns {
  pipelines(first: 10) {
    nodes {
      uuid
      blocks {
        uuid
        language
      }
    }
  }
  pipelineRuns(first: 10) {
    nodes {
      id
      pipelineUuid
      status
      createdAt
      durationMs
    }
  }
}
`,
  },
  {
    query: `# Start a run. A refusal is an answer too:
# it says why.
mutation StartRun($pipelineUuid: String!) {
  triggerPipelineRun(input: { pipelineUuid: $pipelineUuid }) {
    ... on TriggerPipelineRunSuccess {
      pipelineRun {
        id
        status
      }
    }
    ... on UserError {
      code
      message
    }
  }
}
`,
    variables: '{\n  "pipelineUuid": "seattle_weather"\n}',
  },
  {
    query: `# Follow every run. Nothing gets lost: come back
# with \`after:\` and the last cursor you saw.
# GraphiQL runs one document at a time: start runs
# in a second window of your browser meanwhile.
subscription Follow {
  runEvents {
    __typename
    ... on Subscribed {
      cursor
    }
    ... on RunEvent {
      cursor
      seq
      at
      kind
      pipelineUuid
      blockUuid
      from
      to
    }
  }
}
`,
  },
];
