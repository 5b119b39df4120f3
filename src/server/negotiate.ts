/** The three forms an answer at `/graphql` can have. */
export type AnswerType = 'text/event-stream' | 'application/graphql-response+json' | 'application/json';

const offered: readonly AnswerType[] = ['application/graphql-response+json', 'application/json', 'text/event-stream'];

/**
 * The form a client asks for. A stream only when it is named: a wildcard means "anything that ends". A client that accepts nothing of ours
 * gets JSON all the same: it can read a sentence sooner than a 406.
 */
export function negotiate(accept: string | undefined): AnswerType {
  let best: AnswerType = 'application/json';
  let bestQuality = 0;
  for (const range of (accept ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = range.split(';').map((part) => part.trim());
    const quality = qualityOf(parameters);
    const type = offered.find((candidate) => candidate === name);
    if (type !== undefined && acceptsUtf8(parameters) && quality > bestQuality) {
      best = type;
      bestQuality = quality;
    }
  }
  return best;
}

function qualityOf(parameters: readonly string[]): number {
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const quality = given === undefined ? 1 : Number(given.slice(2));
  return Number.isFinite(quality) ? quality : 0;
}

function acceptsUtf8(parameters: readonly string[]): boolean {
  return parameters.every((parameter) => !parameter.startsWith('charset=') || parameter === 'charset=utf-8');
}
