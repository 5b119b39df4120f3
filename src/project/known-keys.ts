/**
 * The keys that Mage and we know, per mapping. Only used to notice slips: other keys are tolerated, as projects carry what
 * editors and other versions of Mage have left in them.
 */

export const projectKeys =
  words(`project_type project_uuid variables_dir remote_variables_dir variables_retention_period
  retry_config queue_config notification_config logging_config features pipelines help_improve_mage spark_config
  emr_config ecs_config k8s_executor_config openai_api_key workspace_config`);

export const pipelineKeys = words(`uuid name type description tags variables retry_config concurrency_config
  notification_config run_pipeline_in_one_process conditionals callbacks blocks widgets created_at updated_at created_by
  variables_dir remote_variables_dir executor_type executor_config executor_count spark_config settings
  state_store_config data_integration extensions cache_block_output_in_memory cache_block_output`);

export const blockKeys = words(`uuid name type language upstream_blocks downstream_blocks configuration executor_type
  executor_config retry_config timeout trigger_rule crash_retries conditional_blocks callback_blocks color status groups
  has_callback replicated_block all_upstream_blocks_executed content catalog tags interval description templates
  pipelines extension_uuid error outputs metadata`);

export const triggerKeys = words(`name schedule_type schedule_interval start_time timezone status variables sla settings
  token envs description last_enabled_at pipeline_uuid repo_path created_at updated_at id tags event_matchers
  global_data_product_uuid`);

export const triggerSettingKeys = words(`timeout timeout_status allow_blocks_to_fail overlap skip_if_previous_running
  catch_up create_initial_pipeline_run landing_time_enabled pipeline_run_limit invalid_schedule_interval min_interval`);

export const retryKeys = words('retries delay max_delay exponential_backoff retry_on_timeout');

export const concurrencyKeys = words(
  'block_run_limit pipeline_run_limit pipeline_run_limit_all_triggers on_pipeline_run_limit_reached',
);

function words(text: string): readonly string[] {
  return text.split(/\s+/);
}
