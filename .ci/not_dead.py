"""What vulture takes for dead code and why it is not, or is not yet gone. Reviewed: a line says who uses it.

A name here excuses every thing of that name. ``tests/docs/test_contributing.py`` fails on one that is gone.
"""

# Members of enums: chosen by their value on the command line or in a file
SAVINGS_PLAN
OWNED
COMMITTED_USE
TPOT
TTFT
HEADROOM
SPOT_SHARE
INSTANCES_LOST
ACCELERATORS
BUDGET
CARBON
DEMAND_ERROR
COVERAGE
INSTANCE_TYPE
MARKET
PROFILE
FLUID
NONE

# Fields that are written as they stand: into a plan, a file, a table by the name of the field
capacity_high_requests_per_s
schema_version
offered_requests_per_s
tpot_mean_ms
tpot_p50_ms
tpot_p99_ms
ttft_mean_ms
ttft_p50_ms
ttft_p99_ms
usable_gib
unclaimed_gib
reserve_gib
kv_gib
output_tokens_per_s
slo_ttft_ms
activations_gib
interconnect
sliding_window_layers

# Keys of the question, read by name
service_file
change_threshold_percent

# Parameters that are there for whoever calls, and keys of a cache
ctx
no_color
process_id
system_name

# Called by the library they are for: click, PyYAML, PuLP, requests, azure-core, http.server, the interpreter
list_commands
resolve_command
_global_options
yaml_implicit_resolvers
ignore_aliases
indentless
_content_consumed
rebuild_auth
disabled
max_redirects
on_request
do_GET
do_POST
log_message
protocol_version
disable_nagle_algorithm
daemon_threads
__getattr__

# Fields of HiGHS's own structures
num_col_
num_row_
col_cost_
col_lower_
col_upper_
row_lower_
row_upper_
integrality_
format_
start_
index_
value_

# Found by entry point
Aws
Azure
GoogleCloud
GpuHunt
Lambda
RunPod
Sheet
Vast

# Entries of the package for Python users, and of the benchmarks for the tests and for whoever keeps a problem
on_cluster
dumped
random_instance
binaries

# Dead, in rooms that are being rebuilt: to be deleted there
proved_least
servable_share
share_of_misses

# Overrides of requests-cache's SQLite table, called and read by the library
_acquire_sqlite_lock
_active_transaction
redirects

# Fields of a summary that are written as they stand
before_usd_per_hour
after_usd_per_hour
