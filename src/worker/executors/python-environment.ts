/**
 * The environment of a project's Python code: the server's own, without what only the server should know.
 */
export function pythonEnvironment(env: NodeJS.ProcessEnv, projectDir: string): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !isOurs(name));
  return {
    ENV: 'prod',
    ...Object.fromEntries(kept),
    MAGE_RUNTIME__REPO_PATH: projectDir,
    // Block logs are UTF-8 whatever the machine's locale is.
    PYTHONUTF8: '1',
  };
}

function isOurs(name: string): boolean {
  return (
    name === 'DATABASE_URL' ||
    name.startsWith('PENSTOCK_') ||
    name === 'NODE_OPTIONS' ||
    name.startsWith('NODE_CHANNEL_')
  );
}
