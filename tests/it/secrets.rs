//! The API key goes to its server and nowhere else: every verb, under every fault of the stand-in server, at its most verbose.

mod places;
mod redact;

use crate::wandb::{Fault, HistoryRecipe, KEY, Limits, Recipe, Server, Switches, World};
use places::{Home, Listener, Needles};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

/// Processes at once; most of them wait for the next attempt.
const SIDE_BY_SIDE: usize = 64;

/// Every verb in each of its ways to ask a server; FILE is a file in the private folder.
const VERBS: &[&str] = &[
    "pull acme/fleet -o FILE.parquet --receipt FILE.json --timeout 3",
    "pull acme/fleet -o FILE.parquet -w config.epochs>1 --raw --timeout 3",
    "query acme/fleet --receipt FILE.json",
    "query fleet -o FILE.csv --format csv -w state='finished'",
    "query acme/fleet --explain -w state='finished'",
    "query acme/* -s name -o FILE.arrow",
    "group acme/fleet -b user",
    "schema acme/fleet -o FILE.xlsx",
    "show acme/fleet r0000001 --format json",
    "history acme/fleet -k loss -o FILE.parquet",
    "history acme/fleet -k loss --tidy",
    "history acme/fleet --wide loss",
    "history acme/fleet --at-best loss:min",
    "history acme/fleet -k loss --samples 3 -w state='finished'",
    "diff acme/fleet r0000001 r0000002 --summary --fields",
    "vary acme/fleet -o FILE.html",
    "artifacts acme/fleet",
    "artifacts acme/fleet --require model:latest -o FILE.md",
    "artifacts acme/fleet --lineage r0000001",
    "artifacts acme/fleet --used-by model:v1",
    "artifacts acme/fleet --stale model",
    "sql SQL acme/fleet -o FILE.tex",
    "completions bash",
];

fn words(verb: &str, home: &Home) -> Vec<String> {
    let sql = "select name from runs where name in (select name from history)";
    let word = |word: &str| match word {
        "SQL" => sql.to_owned(),
        word => word.replace("FILE", home.file("out").to_str().unwrap()),
    };
    verb.split(' ').map(word).chain(["-vv".to_owned()]).collect()
}

/// Everything that can go wrong with a request. What a server says holds the key wherever it can: it knows it, after all.
fn faults(other: &str, key: &str, basic: &str) -> Vec<Fault> {
    let errors =
        |message: String, code: Option<&str>| Fault::Errors { message, code: code.map(str::to_owned), partial: false };
    let limits = Limits { limit: "1".into(), remaining: "0".into(), reset: "0".into() };
    let mut faults = vec![
        Fault::TooMany { retry_after: Some("0".into()), limits: Some(limits) },
        Fault::Deadline,
        Fault::Proxy(502),
        Fault::Hang(Duration::from_millis(50)),
        Fault::Drop,
        Fault::Cut { part: 0.5, chunked: false },
        Fault::Cut { part: 0.5, chunked: true },
        Fault::Slow { pieces: 3, pause: Duration::from_millis(5) },
        errors(format!("you sent Basic {basic}, that is api:{key}"), None),
        errors(format!("no entry for {key}"), Some("PERMISSION_ERROR")),
        errors(format!("Cannot query field \"{key}\" on type \"Run\"."), None),
        // What is cut off in the middle of the key shows a part of it.
        errors(format!("{}{key}", "x".repeat(480)), None),
        Fault::Body(format!("{{\"data\": {{\"{key}\": \"{key}\"")),
        Fault::Body(format!("key {key} is wrong")),
    ];
    faults.extend([401, 403, 404, 409, 500].map(Fault::Status));
    faults
        .extend([301, 302, 303, 307, 308].map(|status| Fault::Redirect(status, format!("{other}/graphql?key={key}"))));
    faults.push(Fault::Redirect(307, format!("http://{}.example/graphql", &key[..key.len().min(40)])));
    faults
}

/// A variant of faults that is not among the tested ones does not compile.
fn is_tested(fault: &Fault) -> bool {
    match fault {
        Fault::Status(_) | Fault::TooMany { .. } | Fault::Deadline | Fault::Proxy(_) | Fault::Hang(_) | Fault::Drop => {
            true
        }
        Fault::Cut { .. } | Fault::Slow { .. } | Fault::Errors { .. } | Fault::Redirect(..) | Fault::Body(_) => true,
        // They hold nothing that a client has sent.
        Fault::Bomb(_) | Fault::Endless => true,
    }
}

fn world() -> World {
    let history = Some(HistoryRecipe::rows(12));
    World::generate(&Recipe { artifacts: 3, history, ..Recipe::small(6) })
}

fn server(key: &str) -> Server {
    Server::start(world(), Switches { key: key.to_owned(), ..Switches::default() })
}

/// Does the work of all numbers below `count`, many at once.
fn side_by_side(count: usize, work: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE.min(count) {
            scope.spawn(|| {
                while let Some(number) = Some(next.fetch_add(1, SeqCst)).filter(|number| *number < count) {
                    work(number);
                }
            });
        }
    });
}

#[test]
fn no_verb_tells_the_key_whatever_goes_wrong() {
    let other = Listener::start();
    let needles = Needles::new(KEY);
    let faults = faults(&other.url(), KEY, &needles.basic);
    assert!(faults.iter().all(is_tested));
    let codes = Mutex::new(Vec::new());
    // Once for each verb; all kinds of redirects and statuses, and faults for good, for the two that give up in time.
    let (all_faults, asking) = ([VERBS[0], VERBS[1]], &VERBS[..VERBS.len() - 1]);
    let alike = |fault: &Fault| match fault {
        Fault::Redirect(status, _) => *status != 307,
        Fault::Status(status) => [404, 409, 500].contains(status),
        Fault::Cut { chunked, .. } => *chunked,
        _ => false,
    };
    let few = faults.iter().filter(|fault| !alike(fault));
    let once = asking.iter().flat_map(|verb| few.clone().map(move |fault| (*verb, fault, false)));
    let both = all_faults.into_iter().flat_map(|verb| faults.iter().map(move |fault| (verb, fault)));
    let all: Vec<(&str, &Fault, bool)> =
        once.chain(both.flat_map(|(verb, fault)| [(verb, fault, false), (verb, fault, true)])).collect();
    side_by_side(all.len(), |number| {
        let (verb, fault, always) = all[number];
        let server = server(KEY);
        server.set(|switches| match always {
            true => switches.always = Some(fault.clone()),
            false => switches.fail(fault.clone(), 1),
        });
        let home = Home::new();
        let run = home.run(&server, &words(verb, &home), &[("WANDB_API_KEY", KEY)]);
        needles.absent(&run, &format!("{verb} under {fault:?}"));
        codes.lock().unwrap().push(run.code);
    });
    let codes = codes.into_inner().unwrap();
    let count = |code: i32| codes.iter().filter(|found| **found == code).count();
    assert!(count(0) > 100 && count(3) > 20 && count(4) > 20, "{codes:?}");
    assert!(codes.iter().all(|code| (0..=6).contains(code)), "{codes:?}");
    needles.absent_in("requests at another host", other.received());
}

#[test]
fn no_file_of_a_pull_holds_the_key_at_any_moment() {
    let needles = Needles::new(KEY);
    let (server, home) = (server(KEY), Home::new());
    let words = words(VERBS[0], &home);
    for round in 0..3 {
        server.change(|world| {
            world.edit("acme", "fleet", "r0000002", |run| run.summary = Some(format!("{{\"x\":{round}}}")))
        });
        server.set(|switches| switches.latency = Duration::from_millis(30));
        let run = home.run(&server, &words, &[("WANDB_API_KEY", KEY)]);
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.files.contains_key("out.parquet") && run.files.contains_key("out.json"));
        needles.absent(&run, "a pull");
    }
}

#[test]
fn keys_of_every_form_from_every_place_stay_hidden() {
    let other = Listener::start();
    let modern = format!("wandb_v1_{}", "Zq3rT9wLmK2".repeat(7));
    let odd = "p%40ss:w+rd/\u{f6}\u{1f600}\"'\\$(x)&=#<b>`|;0123456789abcdef".to_owned();
    let long = "0123456789abcdefghij".repeat(40);
    let keys = [KEY.to_owned(), modern, odd, long];
    let places = ["env", "netrc", "NETRC", "settings", "wrong", "url"];
    let all: Vec<(&str, &str)> = keys.iter().flat_map(|key| places.map(|place| (key.as_str(), place))).collect();
    side_by_side(all.len(), |number| {
        let (key, place) = all[number];
        let needles = Needles::new(key);
        let server = server(if place == "wrong" { "another key" } else { key });
        let echo = |message: String| Fault::Errors { message, code: None, partial: false };
        server.set(|switches| switches.next = [None, Some(echo(format!("who is {key}?")))].into());
        let home = Home::new();
        let entry = format!("machine {} login user password {key}\n", server.host());
        // Quotes and backslashes have a meaning in netrc, so such a key comes in the environment only.
        let in_netrc = !key.contains(['"', '\\', '#']);
        let url = format!("http://api:{key}@{}", server.host());
        let mut env = vec![("WANDB_API_KEY", key)];
        match place {
            "netrc" if in_netrc => {
                home.input(".netrc", &entry);
                env.clear();
            }
            "NETRC" if in_netrc => {
                home.input("other.netrc", &entry);
                env = vec![("NETRC", "other.netrc")];
            }
            "settings" => home.input("wandb/settings", &format!("[default]\napi_key = {key}\nentity = acme\n")),
            "url" => env = vec![("WANDB_BASE_URL", &url)],
            _ => {}
        }
        let run = home.run(&server, &words("query fleet -s name --receipt FILE.json", &home), &env);
        needles.absent(&run, place);
        let expected: &[i32] = match place {
            "wrong" => &[4],
            "url" => &[2],
            _ => &[0, 2],
        };
        assert!(expected.contains(&run.code), "{place}, {}: {}", run.code, run.stderr);
        server.set(|switches| switches.next.clear());
        let again = home.run(&server, &words(VERBS[0], &home), &env);
        needles.absent(&again, place);
        if expected == [0, 2] {
            assert_eq!(again.code, 0, "{place}: {}", again.stderr);
        }
    });
    needles_of_all(&keys, &other);
}

fn needles_of_all(keys: &[String], other: &Listener) {
    keys.iter().for_each(|key| Needles::new(key).absent_in("requests at another host", other.received()));
}

#[test]
fn files_at_other_hosts_are_fetched_without_the_key() {
    let other = Listener::start();
    let needles = Needles::new(KEY);
    let (server, home) = (server(KEY), Home::new());
    let env = [("WANDB_API_KEY", KEY)];
    let verb = words("history acme/fleet -k loss -o FILE.parquet", &home);
    let healthy = home.run(&server, &verb, &env);
    assert_eq!(healthy.code, 0, "{}", healthy.stderr);
    needles.absent(&healthy, "history");
    let sent = server.storage_requests();
    assert!(!sent.is_empty() && sent.iter().all(|request| request.header("authorization").is_none()));
    needles.absent_in("requests at the storage host", format!("{sent:?}"));
    for redirect in [true, false] {
        server.set(|switches| match redirect {
            true => switches.storage.next.extend((0..40).map(|_| Some(Fault::Redirect(307, other.url())))),
            false => switches.storage.elsewhere = Some(other.url()),
        });
        needles.absent(&home.run(&server, &verb, &env), "history with files elsewhere");
    }
    assert!(!other.received().is_empty(), "the other host was asked");
    needles.absent_in("requests at another host", other.received());
}

#[test]
fn identity_and_access_tokens_stay_hidden() {
    const IDENTITY: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEtbG92ZWxhY2UifQ.c2lnbmF0dXJlLW9mLWFkYQ";
    const ACCESS: &str = "access-5f4dcc3b5aa765d61d8327deb882cf99";
    let other = Listener::start();
    let needles = [Needles::new(IDENTITY), Needles::new(ACCESS)];
    let granted = format!(r#"{{"access_token": "{ACCESS}", "expires_in": 3600}}"#);
    let refused = format!(r#"{{"error": "invalid_grant", "error_description": "{IDENTITY} is over"}}"#);
    let answers = [
        (200, granted.clone()),
        (400, refused.clone()),
        (500, refused),
        (200, granted[..40].to_owned()),
        (307, String::new()),
    ];
    let faults = faults(&other.url(), ACCESS, &Needles::new(ACCESS).basic);
    let all: Vec<(&(u16, String), Option<&Fault>)> = answers
        .iter()
        .map(|answer| (answer, None))
        .chain(faults.iter().map(|fault| (&answers[0], Some(fault))))
        .collect();
    side_by_side(all.len(), |number| {
        let (answer, fault) = all[number];
        let given = answer.clone();
        let extra = move |_: &crate::wandb::State, path: &str, _: &[u8]| (path == "/oidc/token").then(|| given.clone());
        let switches = Switches { key: "nobody has this".into(), bearer: Some(ACCESS.into()), ..Switches::default() };
        let server = Server::start_at(0, world(), switches, Some(Box::new(extra)));
        server.set(|switches| fault.into_iter().for_each(|fault| switches.fail(fault.clone(), 1)));
        let home = Home::new();
        home.input("token.jwt", IDENTITY);
        let env = [("WANDB_IDENTITY_TOKEN_FILE", "token.jwt")];
        let run = home.run(&server, &words(VERBS[0], &home), &env);
        assert_eq!(run.code == 0 || fault.is_some(), answer.0 == 200 && answer.1.len() > 40, "{}", run.stderr);
        needles.iter().for_each(|needles| needles.absent(&run, &format!("{answer:?} {fault:?}")));
    });
    needles.iter().for_each(|needles| needles.absent_in("requests at another host", other.received()));
}

#[test]
fn no_type_shows_its_key() {
    use runframe::{ApiKey, ApiSource, BaseUrl, Loader, Pull, Redaction, Settings, Surroundings};
    let needles = Needles::new(KEY);
    let mut around = Surroundings::default();
    around.env.insert("WANDB_API_KEY".into(), KEY.into());
    around.env.insert("WANDB_BASE_URL".into(), "http://127.0.0.1:9".into());
    let settings = Settings::find_in(&around).unwrap();
    let source = ApiSource::new(settings.clone()).project("acme", "fleet");
    let loader = Loader::default().settings(settings.clone());
    let loader = loader.source("wandb://acme/fleet").unwrap().redact(Redaction::with_key(KEY.as_bytes()).unwrap());
    let pull = Pull::new(loader.clone(), "runs.parquet");
    let fault = pull.run().unwrap_err();
    let bad = BaseUrl::parse(&format!("https://api:{KEY}@h"), &[]).unwrap_err();
    let told = [
        format!("{around:?} {around:#?}"),
        format!("{settings:?} {settings:#?} {:?} {:?}", settings.origins, settings.warnings),
        format!("{source:?} {source:#?}"),
        format!("{loader:?} {loader:#?}"),
        format!("{pull:?} {pull:#?}"),
        format!("{:?}", ApiKey::new(KEY).unwrap()),
        format!(
            "{:?} {:?}",
            ApiKey::new(format!("{KEY} ")).unwrap_err(),
            Redaction::with_key(&KEY.as_bytes()[..9]).unwrap_err()
        ),
        format!("{fault:?} {fault} {fault:#?} {bad:?} {bad}"),
    ];
    told.iter().for_each(|told| needles.absent_in("a type", told));
    std::fs::remove_dir_all("runs.parquet.partial").ok();
}
