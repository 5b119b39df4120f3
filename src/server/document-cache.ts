import type { DocumentNode } from 'graphql';

/** A document that was parsed and found valid, with what is asked of it again at each use. */
export type CachedDocument = {
  readonly document: DocumentNode;
  /** First 16 hex digits of the SHA-256 of its text: how logs name it. */
  readonly hash: string;
  /** Whether it asks for `__schema` or `__type`. */
  readonly introspects: boolean;
};

/** Documents by their text. */
export type DocumentCache = {
  readonly get: (text: string) => CachedDocument | undefined;
  readonly set: (text: string, entry: CachedDocument) => void;
};

/**
 * Least recently used goes first. The bound is on characters, not entries: a parsed document takes up to ~200 bytes per character of its text,
 * so 256 K characters are at most ~50 MB however a client chooses its documents, and room for hundreds of ordinary ones.
 */
export function createDocumentCache(maxCharacters = 256 * 1024): DocumentCache {
  const entries = new Map<string, CachedDocument>();
  let characters = 0;

  return {
    get(text) {
      const entry = entries.get(text);
      if (entry) {
        entries.delete(text);
        entries.set(text, entry);
      }
      return entry;
    },
    set(text, entry) {
      if (entries.has(text) || text.length > maxCharacters) return;
      entries.set(text, entry);
      characters += text.length;
      for (const oldest of entries.keys()) {
        if (characters <= maxCharacters) break;
        entries.delete(oldest);
        characters -= oldest.length;
      }
    },
  };
}
