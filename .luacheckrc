-- For luacheck, on scripts for nbdkit-script-lua: the callbacks are globals that a script sets, with
-- arguments that it need not use, and `nbdkit` is a global that it reads.
std = "max"
unused_args = false
globals = {
  "API_VERSION",
  "dump_plugin", "magic_config_key", "config", "config_complete", "thread_model", "get_ready",
  "after_fork", "cleanup", "preconnect", "list_exports", "default_export", "open", "close",
  "export_description", "get_size", "block_size", "can_write", "can_flush", "is_rotational",
  "can_trim", "can_zero", "can_fast_zero", "can_extents", "can_fua", "can_multi_conn", "can_cache",
  "pread", "pwrite", "flush", "trim", "zero", "extents", "cache",
}
read_globals = { "nbdkit" }
-- Tests are globals that nobody reads but nbdkit-script-test.
ignore = { "1[13]1/test_.*" }
