/**
 * Who may do what. Three roles, each able to do everything that the one before it can; every field of the schema names
 * the role that it asks for, and a test fails on one that does not.
 */

export const roles = ['VIEWER', 'OPERATOR', 'ADMIN'] as const;
export type Role = (typeof roles)[number];

/** Who is calling. */
export type Principal = {
  readonly name: string;
  readonly role: Role;
};

export const actions = [
  'read',
  'trigger',
  'retry',
  'cancel',
  'delete_runs',
  'switch_triggers',
  'edit_triggers',
  'backfill',
  'manage_tokens',
  'manage_server',
] as const;
export type Action = (typeof actions)[number];

const roleFor: Record<Action, Role> = {
  read: 'VIEWER',
  trigger: 'OPERATOR',
  retry: 'OPERATOR',
  cancel: 'OPERATOR',
  switch_triggers: 'OPERATOR',
  backfill: 'OPERATOR',
  delete_runs: 'ADMIN',
  edit_triggers: 'ADMIN',
  manage_tokens: 'ADMIN',
  manage_server: 'ADMIN',
};

/** Whether `principal` holds at least `role`. Nobody (null) holds none. */
export function hasRole(principal: Principal | null, role: Role): boolean {
  return principal !== null && roles.indexOf(principal.role) >= roles.indexOf(role);
}

export function may(principal: Principal | null, action: Action): boolean {
  return hasRole(principal, roleFor[action]);
}
