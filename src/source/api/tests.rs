//! The whole source against the stand-in for W&B's server: what arrives, in what state, and what the receipt says of it.

use super::*;
use crate::record::Run;
use std::collections::{BTreeMap, BTreeSet};

#[path = "../../../tests/server/mod.rs"]
pub(super) mod server;
use server::{Fault, KEY, MaxFirst, Recipe, Schedule, Server, Switches, World};

fn source(server: &Server) -> ApiSource {
    let base_url = BaseUrl::parse(&server.url(), &[]).unwrap();
    ApiSource::new(Settings::new(base_url, Some(ApiKey::new(KEY).unwrap()))).project("acme", "fleet").hasty()
}

fn options(concurrency: usize, page_size: usize) -> ApiOptions {
    ApiOptions { concurrency, page_size, ..ApiOptions::default() }
}

/// Loads as a loader does: batches by order, and what is withdrawn dropped.
fn load(source: &ApiSource, wanted: Wanted) -> Result<(Vec<Run>, Receipt)> {
    let batches = Mutex::new(BTreeMap::new());
    let each = |batch: Batch| {
        assert!(batches.lock().unwrap().insert(batch.order, batch.runs).is_none());
        Ok(())
    };
    let receipt = source.load(wanted, &each, &Progress::default())?;
    let batches = batches.into_inner().unwrap();
    assert!(batches.keys().copied().eq(0..batches.len()), "orders have gaps");
    let mut runs: Vec<Run> = batches.into_values().flatten().collect();
    for gone in &receipt.withdrawn {
        let at = runs.iter().position(|run| run.path() == *gone).unwrap();
        runs.remove(at);
    }
    assert_eq!(receipt.runs, runs.len() as u64);
    Ok((runs, receipt))
}

fn names(runs: &[Run]) -> BTreeSet<String> {
    let names: BTreeSet<String> = runs.iter().map(|run| run.name.clone()).collect();
    assert_eq!(names.len(), runs.len(), "a run is there twice");
    names
}

fn there(server: &Server) -> BTreeSet<String> {
    server.look(|world| world.project("acme", "fleet").unwrap().names().into_iter().collect())
}

fn light() -> Wanted {
    Wanted { artifacts: false, ..Wanted::default() }
}

#[test]
fn a_project_arrives_whole_in_order_and_proved() {
    let server = Server::start(World::generate(&Recipe::runs(700)), Switches { gzip: true, ..Switches::default() });
    let (runs, receipt) = load(&source(&server), Wanted::default()).unwrap();
    assert_eq!(names(&runs), there(&server));
    assert_eq!(receipt.complete, Some(true), "{receipt}");
    assert!(runs.is_sorted_by_key(|run| (run.created_at, run.name.clone())));
    let served = receipt.served.as_ref().unwrap();
    assert!(served.shard_count > 8 && served.requests < 60, "{receipt} {:?}", served.shards);
    assert_eq!((served.retries, served.holes_repaired, served.copies_dropped), (0, 0, 0), "{receipt}");
    assert!(served.accounts.len() == 1 && served.fields_dropped.is_empty(), "{:?}", receipt.details());
    server.look(|world| {
        let project = world.project("acme", "fleet").unwrap();
        for run in &runs {
            let truth = project.run(&run.name).unwrap();
            assert_eq!(run.created_at.unwrap().micros(), truth.created_at);
            assert_eq!(run.config.as_ref().map(|c| c.wrapped), truth.config.as_ref().map(|_| true));
            assert_eq!(run.config.as_ref().map(|c| c.text().into_owned()), truth.config);
            assert_eq!(run.summary.as_ref().map(|c| c.text().into_owned()), truth.summary);
        }
    });
    let again = load(&source(&server), Wanted::default()).unwrap().0;
    assert!(runs == again, "the same server gives the same table");
}

#[test]
fn a_small_project_is_one_request() {
    let server = Server::start(World::generate(&Recipe::small(30)), Switches::default());
    let (runs, receipt) = load(&source(&server), Wanted::default()).unwrap();
    assert_eq!((runs.len(), receipt.complete, server.requests().len()), (30, Some(true), 1));
}

#[test]
fn many_artifacts_are_followed_up_together() {
    let recipe = Recipe { artifacts: 230, nulls: false, ..Recipe::small(6) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    let (runs, receipt) = load(&source(&server), Wanted::default()).unwrap();
    let count = |run: &Run| run.logged_artifacts.as_ref().unwrap().len() + run.used_artifacts.as_ref().unwrap().len();
    let total: usize = runs.iter().map(count).sum();
    assert!(total > 6 * 100, "{total}");
    let served = receipt.served.as_ref().unwrap();
    assert_eq!(served.artifact_lists_short, 0, "{receipt}");
    assert!(
        server.requests().iter().all(|r| r.operation.as_deref() != Some("Runs")) && served.requests < 12,
        "{receipt}"
    );
}

#[test]
fn only_what_is_wanted_is_asked_for() {
    let server = Server::start(World::generate(&Recipe::runs(20)), Switches::default());
    let projection = Projection { config: Some(vec!["lr".into()]), summary: Some(vec![]) };
    let wanted = Wanted { summary: false, ..light() };
    let (runs, receipt) = load(&source(&server).projection(projection), wanted).unwrap();
    assert!(runs.iter().all(|run| run.summary.is_none() && run.logged_artifacts.is_none()));
    let keys = |text: &str| serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text).unwrap();
    let one = |run: &Run| run.config.as_ref().is_none_or(|c| keys(&c.text()).keys().all(|key| key == "lr"));
    assert!(runs.iter().all(one) && receipt.bytes < 20_000, "{receipt}");
    assert!(!server.requests()[0].query.contains("summaryMetrics"));
}

#[test]
fn old_servers_lose_fields_and_the_receipt_says_which() {
    let lacking = ["Run.updatedAt", "Run.computeSeconds", "Run.config(keys)", "Artifact.digest", "Run.inputArtifacts"];
    let switches = Switches { lacking: lacking.iter().map(|s| (*s).to_owned()).collect(), ..Switches::default() };
    let server = Server::start(World::generate(&Recipe::runs(120)), switches);
    let projection = Projection { config: Some(vec!["lr".into()]), summary: None };
    let (runs, receipt) = load(&source(&server).projection(projection), Wanted::default()).unwrap();
    let dropped: BTreeSet<&str> = receipt.served.as_ref().unwrap().fields_dropped.iter().map(String::as_str).collect();
    assert_eq!(dropped, lacking.into(), "{receipt}");
    assert!(runs.len() == 120 && receipt.complete == Some(true) && runs.iter().all(|run| run.updated_at.is_none()));
}

#[test]
fn servers_that_refuse_windows_are_walked() {
    let switches = Switches { lacking_filters: ["created_at".to_owned()].into(), ..Switches::default() };
    let server = Server::start(World::generate(&Recipe::small(300)), switches);
    let (runs, receipt) = load(&source(&server), light()).unwrap();
    assert_eq!((names(&runs), receipt.complete), (there(&server), Some(true)), "{receipt}");
    assert_eq!(receipt.served.unwrap().shard_count, 1);
}

#[test]
fn unstable_ties_and_small_caps_are_repaired() {
    let recipe = Recipe { ties: 60, ..Recipe::small(230) };
    let switches = Switches { unstable_ties: true, max_first: Some(MaxFirst::Cap(7)), ..Switches::default() };
    let server = Server::start(World::generate(&recipe), switches);
    let (runs, receipt) = load(&source(&server), light()).unwrap();
    assert_eq!((names(&runs), receipt.complete), (there(&server), Some(true)), "{receipt}");
}

#[test]
fn a_count_that_lags_is_reported_and_not_hidden() {
    let server = Server::start(World::generate(&Recipe::small(120)), Switches { count_lag: 2, ..Switches::default() });
    let (runs, receipt) = load(&source(&server), light()).unwrap();
    assert_eq!((runs.len(), receipt.complete), (120, Some(false)));
    let line = &receipt.served.as_ref().unwrap().incomplete[0];
    assert!(line.contains("the server counts 122 runs, 120 were read"), "{line}");
}

#[test]
fn heavy_pages_are_halved() {
    let recipe = Recipe::runs(200);
    let switches = Switches { max_bytes: Some((150_000, 413)), ..Switches::default() };
    let server = Server::start(World::generate(&recipe), switches);
    let (runs, receipt) = load(&source(&server), Wanted::default()).unwrap();
    assert_eq!((runs.len(), receipt.complete), (200, Some(true)), "{receipt}");
    server.set(|switches| switches.max_bytes = Some((150_000, 502)));
    assert_eq!(load(&source(&server), Wanted::default()).unwrap().0.len(), 200);
}

#[test]
fn every_passing_fault_is_survived() {
    let faults = [
        Fault::Status(500),
        Fault::Status(408),
        Fault::Proxy(502),
        Fault::Proxy(504),
        Fault::Deadline,
        Fault::Drop,
        Fault::TooMany { retry_after: None, limits: None },
        Fault::Cut { part: 0.5, chunked: false },
        Fault::Cut { part: 0.9, chunked: true },
        Fault::Slow { pieces: 4, pause: Duration::from_millis(2) },
        Fault::Errors { message: "context deadline exceeded".into(), code: None, partial: true },
        Fault::Body(r#"{"data":{"project":{"runs":{"edg"#.into()),
    ];
    let server = Server::start(World::generate(&Recipe::runs(150)), Switches::default());
    for (at, fault) in faults.into_iter().enumerate() {
        server.set(|switches| switches.next = vec![None, Some(fault.clone()), None, Some(fault.clone())].into());
        let (runs, receipt) = load(&source(&server), Wanted::default()).unwrap();
        assert_eq!((runs.len(), receipt.complete), (150, Some(true)), "{at}: {fault:?}: {receipt}");
    }
}

#[test]
fn errors_have_the_right_kind_and_never_the_key() {
    let server = Server::start(World::generate(&Recipe::small(5)), Switches::default());
    let errors = |message: &str, code: Option<&str>| Fault::Errors {
        message: message.into(),
        code: code.map(str::to_owned),
        partial: true,
    };
    let auth = BTreeSet::from(["401", "403", "PERMISSION"]);
    for (name, fault, kind) in [
        ("401", Fault::Status(401), ErrorKind::Auth),
        ("403", Fault::Status(403), ErrorKind::Auth),
        ("PERMISSION", errors("no", Some("PERMISSION_ERROR")), ErrorKind::Auth),
        ("404", Fault::Status(404), ErrorKind::NotFound),
        ("400", Fault::Status(400), ErrorKind::Usage),
        ("503", Fault::Status(503), ErrorKind::Network),
        ("errors", errors(&format!("bad {KEY}"), None), ErrorKind::Usage),
        ("deadline", errors("timeout", None), ErrorKind::Network),
        ("drop", Fault::Drop, ErrorKind::Network),
        ("body", Fault::Body("<html>".into()), ErrorKind::Network),
        ("429", Fault::TooMany { retry_after: Some("0".into()), limits: None }, ErrorKind::Network),
        ("redirect", Fault::Redirect(307, "https://elsewhere.example/graphql".into()), ErrorKind::Network),
    ] {
        server.set(|switches| switches.always = Some(fault.clone()));
        let error = load(&source(&server), light()).unwrap_err();
        assert_eq!(error.kind(), kind, "{name}: {error}");
        let text = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
        assert!(!text.contains(KEY) && text.contains(&server.host()), "{name}: {text}");
        assert!(!auth.contains(name) || error.cure().is_some(), "{name}: {error}");
    }
    let source = source(&server);
    assert!(!format!("{source:?}").contains(KEY));
}

#[test]
fn missing_projects_and_unknown_keys_are_told_apart() {
    let server = Server::start(World::generate(&Recipe::small(5)), Switches { anonymous: true, ..Switches::default() });
    let at = |key: Option<&str>, project: &str| {
        let key = key.map(|key| ApiKey::new(key).unwrap());
        let settings = Settings::new(BaseUrl::parse(&server.url(), &[]).unwrap(), key);
        load(&ApiSource::new(settings).project("acme", project).hasty(), light()).map(|(runs, _)| runs.len())
    };
    let error = at(Some(KEY), "none").unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.to_string().contains("acme/none does not exist"), "{error}");
    let error = at(None, "none").unwrap_err();
    assert!(error.kind() == ErrorKind::NotFound && error.cure().unwrap().contains("WANDB_API_KEY"), "{error}");
    assert_eq!(at(None, "fleet").unwrap(), 5);
    assert_eq!(at(Some("wrong-key"), "fleet").unwrap_err().kind(), ErrorKind::Auth);
}

#[test]
fn a_redirect_to_another_host_never_sees_the_key() {
    let thief = Server::start(World::generate(&Recipe::small(5)), Switches::default());
    let server = Server::start(World::generate(&Recipe::small(5)), Switches::default());
    for status in [301, 302, 303, 307, 308] {
        server.set(|s| s.always = Some(Fault::Redirect(status, format!("{}/graphql", thief.url()))));
        let error = load(&source(&server), light()).unwrap_err();
        assert!(error.cure().unwrap().contains("WANDB_BASE_URL"), "{error}");
    }
    assert!(thief.requests().is_empty());
    let request = &server.requests()[0];
    assert!(request.header("user-agent").unwrap().starts_with("runframe/") && request.authorized);
}

#[test]
fn deadlines_end_a_load() {
    let server = Server::start(World::generate(&Recipe::small(5)), Switches::default());
    server.set(|s| s.always = Some(Fault::Hang(Duration::from_secs(30))));
    let started = std::time::Instant::now();
    let limited = ApiOptions { timeout: Some(Duration::from_millis(200)), ..ApiOptions::default() };
    let error = load(&source(&server).options(limited), light()).unwrap_err();
    assert!(error.kind() == ErrorKind::Network && started.elapsed() < Duration::from_secs(10), "{error}");
}

#[test]
fn an_attempt_that_takes_too_long_is_made_again() {
    let server = Server::start(World::generate(&Recipe::small(30)), Switches::default());
    let mut hasty = source(&server);
    hasty.settings.attempt_timeout = Duration::from_millis(300);
    let slow = Fault::Slow { pieces: 50, pause: Duration::from_millis(100) };
    server.set(|s| s.next = vec![Some(Fault::Hang(Duration::from_secs(60))), Some(slow)].into());
    let (runs, receipt) = load(&hasty, light()).unwrap();
    assert_eq!((runs.len(), receipt.complete, receipt.served.unwrap().retries), (30, Some(true), 2));
    let sizes: Vec<u64> = server.requests().iter().map(|r| r.variables["first"].as_u64().unwrap()).collect();
    assert_eq!(sizes[..3], [50, 25, 12]);
}

#[test]
fn retry_after_is_waited_for_by_all() {
    let server = Server::start(World::generate(&Recipe::small(300)), Switches::default());
    let busy = Fault::TooMany { retry_after: Some("0.4".into()), limits: None };
    server.set(|s| s.next = vec![None, None, Some(busy)].into());
    let (runs, receipt) = load(&source(&server), light()).unwrap();
    let served = receipt.served.unwrap();
    assert!(runs.len() == 300 && served.retries == 1 && served.waited_seconds > 0.3, "{served:?}");
}

#[test]
fn rate_limits_are_waited_for() {
    let switches = Switches {
        limiter: Some(server::Limiter {
            requests: 6,
            window: Duration::from_millis(300),
            headers: true,
            retry_after: true,
        }),
        ..Switches::default()
    };
    let server = Server::start(World::generate(&Recipe::small(300)), switches);
    let (runs, receipt) = load(&source(&server), light()).unwrap();
    assert_eq!((runs.len(), receipt.complete), (300, Some(true)), "{receipt}");
    assert!(receipt.served.unwrap().waited_seconds > 0.0);
}

#[test]
fn who_takes_the_runs_can_end_the_load() {
    let server = Server::start(World::generate(&Recipe::small(300)), Switches::default());
    let refuse = |_| Err(Error::new(ErrorKind::Io, "disk full"));
    let error = source(&server).load(light(), &refuse, &Progress::default()).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::Io, "disk full"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let progress = Progress::default();
    let receipt = runtime.block_on(async {
        // The blocking face works inside a runtime too.
        source(&server).light_listing().unwrap();
        source(&server).load_async(light(), &|_| Ok(()), &progress).await.unwrap()
    });
    assert_eq!((receipt.runs, progress.total(), progress.done()), (300, 300, 300));
}

#[test]
fn light_listings_names_and_all_projects() {
    let mut world = World::generate(&Recipe::small(90));
    world.grow(&Recipe { project: "other".into(), seed: 3, ..Recipe::small(4) });
    let server = Server::start(world, Switches::default());
    let listing = source(&server).light_listing().unwrap();
    assert_eq!((listing.runs.len(), listing.complete, listing.requests), (90, true, 1));
    assert!(listing.runs.iter().all(|run| run.updated_at.is_some() && !run.id.is_empty()));
    let mut some: Vec<String> = listing.runs.iter().take(40).map(|run| run.name.clone()).collect();
    some.push("nowhere".into());
    let (runs, receipt) = load(&source(&server).only_names(some.clone()), light()).unwrap();
    some.pop();
    assert_eq!((names(&runs), receipt.complete), (some.into_iter().collect(), Some(true)));
    let all = ApiSource { targets: vec![], ..source(&server) }.all_projects("acme");
    let (runs, receipt) = load(&all, light()).unwrap();
    assert_eq!((runs.len(), receipt.complete), (94, Some(true)), "{receipt}");
    server.set(|s| s.max_first = Some(MaxFirst::Cap(7)));
    let listing = source(&server).light_listing().unwrap();
    assert_eq!((listing.runs.len(), listing.complete), (90, true));
    assert!(source(&server).viewer().unwrap().is_some());
}

#[test]
fn large_projects_are_listed_in_one_request_or_in_many() {
    let server = Server::start(World::generate(&Recipe::small(12_000)), Switches::default());
    let whole = source(&server).light_listing().unwrap();
    assert_eq!((whole.runs.len(), whole.complete, whole.requests), (12_000, true, 1));
    for limit in [MaxFirst::Refuse(1_000), MaxFirst::Cap(5_000)] {
        server.set(|s| s.max_first = Some(limit));
        let listing = source(&server).light_listing().unwrap();
        assert!(listing.complete && listing.runs == whole.runs && listing.requests > 3, "{limit:?}");
    }
}

#[test]
fn filters_are_anded() {
    let server = Server::start(World::generate(&Recipe::small(200)), Switches::default());
    let all = load(&source(&server), light()).unwrap().0;
    let finished = source(&server).filter(r#"{"state": "finished"}"#).unwrap();
    let (runs, receipt) = load(&finished, light()).unwrap();
    let truth: Vec<Run> = all.into_iter().filter(|run| run.state.as_deref() == Some("finished")).collect();
    assert!(runs == truth && !runs.is_empty() && receipt.complete == Some(true), "{receipt}");
    assert_eq!(receipt.served.unwrap().filters, [r#"{"state":"finished"}"#]);
}

/// The law: whatever comes, goes and changes during a load, the result is the server's set at one moment of it.
#[test]
fn the_set_is_the_servers_at_one_moment() {
    let schedules = std::env::var("RUNFRAME_SCHEDULES").ok().and_then(|n| n.parse().ok()).unwrap_or(40_u64);
    let mut unproved = 0;
    for seed in 0..schedules {
        let recipe = Recipe { seed, ties: 30, ..Recipe::small(60 + (seed as usize * 7) % 60) };
        let cap = [3, 7, 20, 1_000][seed as usize % 4];
        let switches = Switches {
            unstable_ties: seed % 3 == 0,
            max_first: Some(MaxFirst::Cap(cap)),
            lacking_filters: if seed % 10 == 9 { ["created_at".to_owned()].into() } else { BTreeSet::new() },
            ..Switches::default()
        };
        let server = Server::start(World::generate(&recipe), switches);
        server.watch("acme", "fleet");
        server.on_request(Schedule { at_once: 1 + (seed as usize / 4) % 3, ..Schedule::new(seed, &recipe) }.hook());
        let source = source(&server).options(options(1 + seed as usize % 4, 20));
        let (runs, receipt) = load(&source, Wanted { summary: seed % 2 == 0, ..light() }).unwrap();
        let found = names(&runs);
        match receipt.complete {
            Some(true) => {
                let moments = server.moments();
                let same = moments.iter().any(|moment| moment.keys().eq(found.iter()));
                assert!(same, "seed {seed}: no moment of {} has this set: {receipt}", moments.len());
            }
            _ => unproved += 1,
        }
    }
    // Some end while the server still changes between every two answers; those are told as incomplete.
    assert!(unproved * 20 <= schedules, "{unproved} of {schedules} were not proved");
}
