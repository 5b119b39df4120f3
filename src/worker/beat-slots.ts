/** What the two sides of the beat share, by place in an Int32Array: how many attempts run, and whether the thread sleeps long. */
export const beatSlot = { busy: 0, sleepsLong: 1 } as const;
