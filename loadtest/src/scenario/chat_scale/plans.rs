//! The plans of what is asked: the database explains every statement that it runs for the hub, those inside functions too, as the
//! hub's role and behind row-level security, while each kind of question is asked a few times. Knows no statement by itself.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use hubbub_local::postgres::Postgres;

use super::asking::Client;
use super::questions::{Kind, Questions};
use crate::report::Report;
use crate::{LoadError, during};

/// Questions of each kind.
const EACH: u64 = 5;
/// They are other ones than those that were timed.
const FIRST: u64 = 1 << 32;
/// How long the database may take to begin to explain.
const PATIENCE: Duration = Duration::from_secs(10);
/// What makes it explain: the module, which each connection loads, and what it is told once everything was timed.
pub(super) const MODULE: (&str, &str) = ("session_preload_libraries", "auto_explain");
const SETTINGS: &[&str] = &[
    "log_line_prefix = '%m [%p] %u '",
    "auto_explain.log_nested_statements = on",
    "auto_explain.log_analyze = on",
    "auto_explain.log_buffers = on",
    "auto_explain.log_min_duration = 0",
];
/// What other tasks of the hub ask for meanwhile.
const OTHERS: &[&str] = &["records_task", "revocations", "hubbub.tidy", "key_slots"];
/// Tables that nobody may read as a whole.
const LARGE: &[&str] = &["Seq Scan on records", "Seq Scan on messages", "Seq Scan on channels", "Seq Scan on segments"];

/// How names of their indexes begin.
const GROWING: &[&str] = &["records_", "messages_", "channels_", "segments_"];

/// One plan of the log.
#[derive(Clone, PartialEq, Debug)]
struct Plan {
    /// How long its statement took, in milliseconds.
    took_ms: f64,
    text: String,
}

/// Asks, says which index each kind stepped into, and keeps the plans in a file.
pub(super) fn explain(
    questions: &Questions<'_>,
    client: &mut Client,
    postgres: &Postgres,
    file: Option<&Path>,
    report: &mut Report,
) -> Result<(), LoadError> {
    for setting in SETTINGS {
        postgres.psql(&format!("ALTER SYSTEM SET {setting}"))?;
    }
    postgres.psql("SELECT pg_reload_conf()")?;
    let log = || fs::read_to_string(postgres.folder().join("postgres.log")).map_err(during("the log of Postgres"));
    let begun = Instant::now();
    while plans_of(&log()?).is_empty() {
        if begun.elapsed() > PATIENCE {
            return Err(LoadError::Late("the database explains nothing".into()));
        }
        let _ = client.ask(&questions.ask(Kind::SmallPage, FIRST))?;
    }
    let mut all = about(postgres)?;
    for kind in Kind::ALL.iter().filter(|kind| !kind.is_control()) {
        let from = log()?.len();
        for number in 0..EACH {
            if let Err(why) = client.ask(&questions.ask(*kind, FIRST + number))? {
                report.fail(format!("{}: {why}", kind.name()));
            }
        }
        let plans = plans_of(&log()?[from..]);
        report.say(&format!("plan of {}: {}", kind.name(), summary(&plans)));
        if let Some(scan) = LARGE.iter().find(|scan| plans.iter().any(|plan| plan.text.contains(**scan))) {
            report.fail(format!("{}: {scan}", kind.name()));
        }
        // A String takes everything.
        let _ = writeln!(all, "\n==== {} ====\n", kind.name());
        plans.iter().for_each(|plan| all.push_str(&plan.text));
    }
    let Some(file) = file else { return Ok(()) };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(during("the folder of the plans"))?;
    }
    fs::write(file, all).map_err(during("the plans"))?;
    report.say(&format!("plans: {}", file.display()));
    Ok(())
}

/// As whom the hub asks, and of how much.
fn about(postgres: &Postgres) -> Result<String, LoadError> {
    let role = postgres.psql(
        "SELECT format('role %s: superuser %s, bypasses row-level security %s', rolname, rolsuper, rolbypassrls) \
         FROM pg_roles WHERE rolname = 'hubbub'",
    )?;
    let tables = postgres.psql(
        "SELECT format('%s: owner %s, row-level security %s, forced %s, %s rows, %s', relname, relowner::regrole, \
             relrowsecurity, relforcerowsecurity, reltuples, pg_size_pretty(pg_total_relation_size(oid))) \
         FROM pg_class WHERE relnamespace = 'hubbub'::regnamespace AND relkind = 'r' AND reltuples > 0 ORDER BY relname",
    )?;
    let version = postgres.psql("SELECT version()")?;
    Ok(format!("{version}\n{role}\n{tables}\n"))
}

/// The plans in a part of the log; not those of other tasks of the hub.
fn plans_of(log: &str) -> Vec<Plan> {
    let mut plans = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((_, rest)) = line.split_once("LOG:  duration: ") else { continue };
        let Some(took_ms) = rest.split(' ').next().and_then(|number| number.parse().ok()) else { continue };
        if !rest.contains("plan:") {
            continue;
        }
        let mut text = format!("{line}\n");
        while let Some(more) = lines.next_if(|line| line.starts_with('\t')) {
            text.push_str(more);
            text.push('\n');
        }
        if !OTHERS.iter().any(|other| text.contains(other)) {
            plans.push(Plan { took_ms, text });
        }
    }
    plans
}

/// Each set of indexes that a statement stepped into, with the longest that one took, the slowest first.
fn summary(plans: &[Plan]) -> String {
    let mut steps: Vec<(String, f64)> = Vec::new();
    for plan in plans {
        let names = indexes(&plan.text).join(" and ");
        match steps.iter_mut().find(|(other, _)| *other == names) {
            _ if names.is_empty() => {}
            Some((_, took_ms)) => *took_ms = took_ms.max(plan.took_ms),
            None => steps.push((names, plan.took_ms)),
        }
    }
    steps.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    let steps: Vec<_> = steps.iter().map(|(names, took_ms)| format!("{names} {took_ms:.1} ms")).collect();
    if steps.is_empty() { "no index".to_owned() } else { steps.join(", ") }
}

/// The indexes of a plan that grow with what is remembered.
fn indexes(plan: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for line in plan.lines().filter(|line| line.contains("Scan")) {
        let before = if line.contains("Bitmap Index Scan") { " on " } else { " using " };
        let name = line.split_once(before).and_then(|(_, rest)| rest.split(' ').next());
        let name = name.filter(|name| GROWING.iter().any(|table| name.starts_with(table)));
        names.extend(name.map(str::to_owned).filter(|name| !names.contains(name)));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "2026-01-31 10:00:00.000 UTC [7] hubbub LOG:  duration: 0.200 ms  plan:\n\
        \tQuery Text: SELECT due\n\
        \tIndex Scan using records_task_due on records_task t\n\
        2026-01-31 10:00:00.100 UTC [7] hubbub LOG:  duration: 1.500 ms  plan:\n\
        \tQuery Text: SELECT a\n\
        \tLimit  (cost=0.1..2 rows=1 width=8)\n\
        \t  ->  Bitmap Heap Scan on records_message r  (cost=1..2)\n\
        \t        ->  Bitmap Index Scan on records_message_words  (cost=1..2)\n\
        2026-01-31 10:00:00.100 UTC [7] hubbub CONTEXT:  a function\n\
        2026-01-31 10:00:00.200 UTC [7] hubbub LOG:  duration: 0.500 ms  plan:\n\
        \tIndex Scan Backward using records_message_by_group on records_message r\n";

    #[test]
    fn plans_are_read_from_the_log() {
        let plans = plans_of(LOG);
        assert_eq!(plans.iter().map(|plan| plan.took_ms).collect::<Vec<_>>(), [1.5, 0.5]);
        assert!(plans[0].text.ends_with("records_message_words  (cost=1..2)\n"), "{}", plans[0].text);
        assert_eq!(summary(&plans), "records_message_words 1.5 ms, records_message_by_group 0.5 ms");
        assert_eq!(summary(&plans[1..]), "records_message_by_group 0.5 ms");
        assert_eq!(summary(&[]), "no index");
    }
}
