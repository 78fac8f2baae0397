//! What the help says behind the flags: examples, prose, exit codes.

pub(super) const EXIT_CODES: &str = "\
Exit codes:
  0    done, also when no run matches
  1    error: a file is missing, unreadable or no W&B log; the disk is full; the machine gives no more memory, files or threads
  2    usage: a malformed argument or expression, an unknown column
  3    network: no answer, or too many requests for too long
  4    the server does not take the API key
  5    a server's set of runs could not be proved whole; with --strict: some data could not be read
  6    found what was looked for: diff --exit-code a difference, artifacts --require a run that lacks one
  130  interrupted

Data goes to the standard output; progress, warnings and errors to the standard error.";

pub(super) const EXAMPLES: &str = "\
Examples:
  runframe query ./wandb                              the run table, on the terminal
  runframe query ./wandb -o runs.parquet              … as a file, every column
  runframe query ./wandb -w 'summary.acc > 0.9' -s 'name,config.*' --sort -summary.acc
  runframe group ./wandb -b user,state                runs, runtime, first and last creation of each
  runframe schema runs.parquet                        columns, types, fill, range, conflicts
  runframe show ./wandb 4f7ds2kq                      one run, everything
  runframe diff ./wandb 4f7ds2kq 9dk2m1ab             the config keys in which two runs differ
  runframe vary ./wandb                               the config keys that vary, and over what
  runframe artifacts ./wandb --lineage 4f7ds2kq       what a run was made from, and what was made from it
  runframe pull my-team/mnist -o runs.parquet         every run of a project on a W&B server

SOURCE is a folder or file of .wandb logs, a run table in a .parquet file, or entity/project on a W&B server; \
project alone is one of the default entity's (WANDB_ENTITY, W&B's settings files, else the account's). \
What exists as a path is a path; wandb://project forces the project.";

pub(super) const QUERY_EXAMPLES: &str = "\
Examples:
  runframe query ./wandb
  runframe query ./wandb -o runs.parquet
  runframe query ./wandb -w 'config.learning_rate > 0.01 and summary.accuracy > 0.95'
  runframe query ./wandb -w \"created_at > now() - interval '7 days'\" --sort -created_at -n 10
  runframe query ./wandb -s name,state,config.optimizer.lr,'summary.val*' --format md
  runframe query a/wandb b/wandb runs.parquet --drop 'summary._*' | xan view
  runframe query ./wandb --format jsonl | jq -r .name

EXPR is SQL's WHERE with dotted names bare: config.lr, summary.val/loss, user.username. \
Names that hold spaces or quotes are quoted: \"summary.val loss\". \
W&B's own spellings (runCreatedAt, summary_metrics.x) are understood too.
Nulls and NaN sort last, in both directions.
A server is asked only for the keys that -s, -w and --sort name; for all of them without -s, and where a glob stands for some. \
-v tells which.";

pub(super) const GROUP_EXAMPLES: &str = "\
Examples:
  runframe group ./wandb -b user                      runs, states, runtime, first and last creation of each user
  runframe group ./wandb -b created_at:1w -a 'n(), sum(runtime) / 3600 as hours' --tz Europe/Berlin
  runframe group ./wandb -b config.lr,state -a 'max(summary.acc), median(summary.acc)' --sort '-max(summary.acc)'
  runframe group ./wandb -b tags -a \"n() as runs, mean(state = 'failed') as failed\"
  runframe group ./wandb -b user -a 'best(summary.acc)' -s name,summary.acc,config.*
  runframe group ./wandb -b sweep -a 'best(summary.loss), n() as runs' --minimize -o best.parquet

BY is a column, an expression, or a calendar bucket of a time: 1d, 1w, 1mo, 1q, 1y, 1h, 15m, in the zone of --tz. \
user stands for user.username, date and day for created_at:1d. A list such as tags counts a run under each element. \
Runs without a value stand under null.
AGG is an expression of aggregates: n() sum mean median min max std sem q(x, 0.9) first last any all nunique list. \
They pass over nulls. best(x) is the whole row of the run with the highest x. \
Without -a there are the runs, the states, the runtime, and the first and last creation.";

pub(super) const SCHEMA_EXAMPLES: &str = "\
Examples:
  runframe schema ./wandb
  runframe schema ./wandb -s 'config.*' --format csv
  runframe schema runs.parquet -w \"state = 'finished'\"

One row per column: its type, where it comes from, how many runs have a value, how many values differ, \
the lowest and the highest, how many are NaN. \
A key that is a number in one run and a text in another has a column for each kind; the note says which and how often.";

pub(super) const SHOW_EXAMPLES: &str = "\
Examples:
  runframe show ./wandb 4f7ds2kq
  runframe show ./wandb fluffy-cloud-7                by its display name, if only one run has it
  runframe show ./wandb my-team/mnist/4f7ds2kq
  runframe show ./wandb 4f7ds2kq --format json | jq .config";

pub(super) const PULL_EXAMPLES: &str = "\
Examples:
  runframe pull my-team/mnist -o runs.parquet         every run of a project; the next time only what changed
  runframe pull my-team/mnist my-team/cifar -o both.parquet
  runframe pull 'my-team/*' -o team.parquet --no-artifacts
  runframe pull my-team/mnist -o good.parquet -w \"state = 'finished' and summary.acc > 0.9\"
  runframe pull my-team/mnist -o done.parquet --filter '{\"state\": \"finished\"}'
  runframe pull ./wandb -o runs.parquet
  runframe pull my-team/mnist -o runs.parquet --redact=host,user.* --redact-key-file secret.key
  runframe pull my-team/mnist -o runs.parquet --history 'loss,val/*'
  runframe pull my-team/mnist -o runs.parquet --history all     … and the logged steps beside it

The key comes from WANDB_API_KEY or from netrc, the server from WANDB_BASE_URL or W&B's settings files; -v tells which.
An interrupted pull goes on where it was: what has arrived is kept in FILE.partial until the file is whole.
With --where the file is as if loaded anew each time: runs that no longer match are removed. What the server cannot tell \
is loaded and evaluated here; runs that did not match are loaded again only when they change, or each time if that part asks \
now() or is_active(). If it depends on the kinds of other runs' values (--explain says so), all that the server sends is loaded as soon as one of these runs changes.
--history writes Parquet files of one schema to runs.history, for any reader of runs.history/*.parquet, and for `history`, `sql` and all else on runs.parquet. The next pull, with or without --history, loads only rows behind the last stored step of runs that have changed. Other KEYS need --full.";

pub(super) const SQL_EXAMPLES: &str = "\
Examples:
  runframe sql 'select name, summary.accuracy from runs order by summary.accuracy desc limit 5' ./wandb
  runframe sql 'select user, count(*) as runs, sum(runtime) / 3600 as hours from runs group by user' runs.parquet
  runframe sql \"select name from runs where logged('model:latest').version >= 3\" my-team/mnist
  runframe sql 'select r.name, a.artifact.name from runs r join artifacts a on r.name = a.name' ./wandb
  runframe sql 'select name, min(loss) from history group by name' ./wandb
  runframe sql -f report.sql a/wandb b/wandb -o report.parquet

Tables: runs, one row per run; artifacts, one row per run, direction and artifact version: entity, project, name, \
direction (logged or used), artifact.name, artifact.type, artifact.version, artifact.aliases, artifact.size, \
artifact.digest, artifact.state, artifact.created_at, artifact.id; history, one row per run and step, as the verb history has it.
Dotted names stand bare; what SQL would take for something else is quoted: \"summary.val loss\".
It is Polars' SQL with joins, subqueries, with, windows, and the functions of --where that Polars lacks: logged, used, contains, \
len, is_nan, is_active, now, year, month, day, hour, minute.
NaN is above all numbers and equals itself; nulls sort last. Only the tables and columns that are named are loaded.";

pub(super) const HISTORY_EXAMPLES: &str = "\
Examples:
  runframe history ./wandb -k loss,val/acc                  every logged row with a value of either
  runframe history ./wandb -k 'val/*' --step 1000..2000 -o val.parquet
  runframe history ./wandb -w \"state = 'finished' and config.lr < 0.01\" --wide loss
  runframe history ./wandb --at-best val/loss:min -s test/f1,val/acc
  runframe history ./wandb --system -k 'system.gpu*' -o gpu.parquet
  runframe history ./wandb -k loss --tidy --format csv
  runframe history my-team/mnist -k loss -w \"created_at > now() - interval '7 days'\"
  runframe history my-team/mnist -k loss --samples 500      a sample of each run, chosen by the server

One row per run and step: entity, project, name, _step, _timestamp, _runtime (seconds), then one column per metric, typed by all rows \
of all runs. Nothing is sampled unless --samples says so. A row is kept if it has a value of any key; what it lacks is null, and NaN is not null. \
Rows of a run with the same step become one, the later folder's values win.
Of a server's runs the files that W&B has exported are read, only the asked columns of them, and the rows that are not exported yet.
--tidy writes one row per value: key, value (numbers), text (all else). --at-best writes one row per run: the values of COLS in the row \
where METRIC is best.";

pub(super) const DIFF_EXAMPLES: &str = "\
Examples:
  runframe diff ./wandb 4f7ds2kq 9dk2m1ab             the config keys in which they differ
  runframe diff ./wandb calm-sea-1 calm-sea-2 red-sun-4 --summary
  runframe diff runs.parquet my-team/mnist/4f7ds2kq my-team/cifar/4f7ds2kq --ignore 'config.data.*'
  runframe diff ./wandb 4f7ds2kq 9dk2m1ab --source other/wandb --fields
  runframe diff ./wandb 4f7ds2kq 9dk2m1ab --exit-code -o diff.md

One row per key, one column per run. Numbers are equal by value (1 is 1.0, NaN is NaN), lists element by element, JSON by what \
it holds; text never equals a number, and is in quotes where it would read as one. \
A key that a run does not have is empty (· on a terminal); one that is null is null. \
Parquet files do not tell the two apart: there null is empty too. \
JSON output has the values as they are, and of a run without the key no member.";

pub(super) const VARY_EXAMPLES: &str = "\
Examples:
  runframe vary ./wandb                               the config keys that vary
  runframe vary ./wandb -w \"sweep = 'k3j2h1'\" --top 10
  runframe vary runs.parquet -s 'config.model.*,commit,host' --all
  runframe vary my-team/mnist --ignore 'config.*seed' --format md

One row per key: how many values differ, how many runs have one, the most frequent values with their runs, and the keys that \
always move together with it: those that part the runs in the same way. \
A key varies if two runs do not have the same value, or if some runs have one and others none; null is none. \
Keys that never vary are counted on the standard error, and listed with --all.";

pub(super) const ARTIFACTS_EXAMPLES: &str = "\
Examples:
  runframe artifacts ./wandb                          one row per run, direction and artifact version
  runframe artifacts ./wandb --logged --type model --name '*-best' --sort -artifact.size -n 10
  runframe artifacts runs.parquet --used -s name,user.username,artifact.name,artifact.version
  runframe artifacts ./wandb -w \"job_type = 'train'\" --require model:latest,evaluation:latest
  runframe artifacts my-team/mnist --used-by training-data:v3
  runframe artifacts my-team/mnist --stale training-data
  runframe artifacts my-team/mnist --lineage fluffy-cloud-7

NAME:ALIAS is a version (model:v3) or an alias (model:latest); without one it is latest. -w chooses runs: what it leaves out is \
not there for --require, --stale and --lineage either. \
--stale goes by the highest version that a run of the same entity and project logged or used; where the version that a run used is not \
known, stale is null. \
--lineage knows a used version by its id, else by entity, project, name and version, else by the digest; in logs, which do not \
know the version behind an alias, by the last run before that logged it under the alias.";

pub(super) const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  runframe completions bash > ~/.local/share/bash-completion/completions/runframe
  runframe completions zsh > ~/.zfunc/_runframe
  runframe completions fish > ~/.config/fish/completions/runframe.fish";

/// All of them.
#[cfg(test)]
pub(super) const ALL: [&str; 13] = [
    EXIT_CODES,
    EXAMPLES,
    QUERY_EXAMPLES,
    GROUP_EXAMPLES,
    SCHEMA_EXAMPLES,
    SHOW_EXAMPLES,
    PULL_EXAMPLES,
    SQL_EXAMPLES,
    HISTORY_EXAMPLES,
    COMPLETIONS_EXAMPLES,
    DIFF_EXAMPLES,
    VARY_EXAMPLES,
    ARTIFACTS_EXAMPLES,
];
