/**
 * How our Postgres is set up: for one server on a small machine, never losing a commit, quiet when nothing happens.
 * They are given on the command line, so an older data directory gets them too.
 */
export const postgresSettings: Readonly<Record<string, string>> = {
  // Nothing on the network; see startEmbeddedPostgres.
  listen_addresses: '',
  port: '5432',
  unix_socket_permissions: '0700',

  // A worker process takes up to eight; twenty of them and whoever serves them fit.
  max_connections: '250',
  shared_buffers: '128MB',
  effective_cache_size: '512MB',
  work_mem: '8MB',
  maintenance_work_mem: '64MB',
  huge_pages: 'off',
  // Reads by the backend itself: three processes less than with the default, 'worker'.
  io_method: 'sync',
  // Two cores are for the pipelines.
  max_worker_processes: '4',
  max_parallel_workers_per_gather: '0',
  max_parallel_maintenance_workers: '0',
  // Statements are short and many: compiling one costs more than it saves.
  jit: 'off',
  random_page_cost: '1.1',

  fsync: 'on',
  full_page_writes: 'on',
  synchronous_commit: 'on',
  // Nobody replicates from here; without replication an idle server writes no WAL.
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_logical_replication_workers: '0',
  max_wal_size: '512MB',
  min_wal_size: '64MB',
  checkpoint_timeout: '5min',
  autovacuum: 'on',
  autovacuum_max_workers: '2',
  autovacuum_naptime: '30s',

  idle_in_transaction_session_timeout: '60s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  log_min_messages: 'warning',
  log_checkpoints: 'off',
  log_autovacuum_min_duration: '-1',
  log_line_prefix: '%m [%p] ',
};
