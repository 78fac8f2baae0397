//! The stand-in for W&B's server: every switch, filters, order, paging, and the GraphQL around them.

use crate::wandb::{
    Dates, Fault, HistoryRecipe, KEY, Limiter, Limits, MaxFirst, Nulls, Of, Recipe, Run, Schedule, Server, Switches,
    World, members,
};
use base64::Engine;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const LIST: &str = "query List($filters: JSONString, $after: String, $first: Int, $order: String) {
    project(name: \"fleet\", entityName: \"acme\") {
        runCount(filters: $filters)
        runs(filters: $filters, after: $after, first: $first, order: $order) {
            totalCount
            edges { node { name } cursor }
            pageInfo { endCursor hasNextPage }
        }
    }
}";

/// What came back: status, headers, body.
struct Reply {
    status: u16,
    headers: ureq::http::HeaderMap,
    body: Value,
}

/// Sends a query with the given key.
fn post(url: &str, key: Option<&str>, query: &str, variables: Value) -> Result<Reply, ureq::Error> {
    let config = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_global(Some(Duration::from_secs(5)));
    let mut request = config.build().new_agent().post(format!("{url}/graphql"));
    if let Some(key) = key {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("api:{key}"));
        request = request.header("authorization", format!("Basic {basic}"));
    }
    let mut answer = request.send_json(json!({"query": query, "variables": variables}))?;
    let text = answer.body_mut().read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok(Reply { status: answer.status().as_u16(), headers: answer.headers().clone(), body })
}

fn ask(server: &Server, query: &str, variables: Value) -> Reply {
    post(&server.url(), Some(KEY), query, variables).unwrap()
}

fn header<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
    reply.headers.get(name).map(|value| value.to_str().unwrap())
}

/// The first of the messages in `errors`.
fn message(reply: &Reply) -> &str {
    reply.body["errors"][0]["message"].as_str().unwrap_or_default()
}

fn server(runs: usize) -> Server {
    Server::start(World::generate(&Recipe::small(runs)), Switches::default())
}

fn names(page: &Value) -> Vec<String> {
    let edges = page["data"]["project"]["runs"]["edges"].as_array().unwrap();
    edges.iter().map(|edge| edge["node"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The names that a filter leaves.
fn filtered(server: &Server, filter: Value) -> Vec<String> {
    let reply = ask(server, LIST, json!({"filters": filter.to_string(), "first": 1000, "order": "+name"}));
    assert_eq!(reply.status, 200, "{filter}: {}", reply.body);
    let found = names(&reply.body);
    assert_eq!(reply.body["data"]["project"]["runCount"], found.len());
    found
}

/// The names of the runs for which `wanted` holds, in the order of names.
fn expected(server: &Server, wanted: impl Fn(&Run) -> bool) -> Vec<String> {
    let project = |world: &World| world.projects[0].runs.clone();
    let mut found: Vec<String> =
        server.look(project).iter().filter(|run| wanted(run)).map(|run| run.name.clone()).collect();
    found.sort();
    found
}

/// Walks all pages as the SDK does, by the cursor of the last edge.
fn walk(server: &Server, first: usize, order: &str) -> Vec<String> {
    let (mut after, mut all) = (Value::Null, Vec::new());
    loop {
        let page = ask(server, LIST, json!({"after": after, "first": first, "order": order})).body;
        all.extend(names(&page));
        let runs = &page["data"]["project"]["runs"];
        let Some(last) = runs["edges"].as_array().unwrap().last() else { return all };
        after = last["cursor"].clone();
        assert_eq!(after, runs["pageInfo"]["endCursor"]);
        if runs["pageInfo"]["hasNextPage"] == false {
            return all;
        }
    }
}

fn config(run: &Run, key: &str) -> Value {
    let config: Value = serde_json::from_str(run.config.as_deref().unwrap_or("{}")).unwrap();
    config[key]["value"].clone()
}

fn summary(run: &Run, key: &str) -> Value {
    let summary: Value = serde_json::from_str(run.summary.as_deref().unwrap_or("{}")).unwrap();
    summary[key].clone()
}

// ------------------------------------------------------------------ GraphQL

#[test]
fn unknown_fields_arguments_and_types_are_refused_in_the_servers_words() {
    let server = server(1);
    let cases = [
        (
            "{ project(name: \"fleet\", entityName: \"acme\") { runs { edges { node { host bogus } } } } }",
            "Cannot query field \"bogus\" on type \"Run\".",
        ),
        (
            "{ project(name: \"fleet\", size: 3) { name } }",
            "Unknown argument \"size\" on field \"project\" of type \"Query\".",
        ),
        (
            "query A($n: Int) { project(name: $n) { name } }",
            "Variable \"$n\" of type \"Int\" used in position expecting type \"String\".",
        ),
    ];
    for (query, expected) in cases {
        let reply = ask(&server, query, json!({}));
        assert_eq!((reply.status, message(&reply)), (400, expected), "{query}");
    }
    for query in ["{ viewer }", "{ viewer { id }", "", "{ viewer { id } } fragment F on Run { id }", "mutation { a }"] {
        assert_eq!(ask(&server, query, json!({})).status, 400, "{query}");
    }
    assert_eq!(ask(&server, LIST, json!({"first": "ten"})).status, 400);
}

#[test]
fn fragments_aliases_directives_and_introspection_work() {
    let server = server(3);
    let query = "query A($with: Boolean = false) {
        __typename
        __type(name: \"Project\") { name }
        p: project(name: \"fleet\", entityName: \"acme\") { ...P one: run(name: \"r0000001\") { id @skip(if: true) name ... on Run { name } } }
    }
    fragment P on Project { __typename name id @include(if: $with) }";
    let expected = json!({"__typename": "Query", "__type": {"name": "Project"},
        "p": {"__typename": "Project", "name": "fleet", "one": {"name": "r0000001"}}});
    assert_eq!(ask(&server, query, json!({})).body, json!({"data": expected}));
}

#[test]
fn config_and_summary_are_projected_to_top_keys() {
    let server = Server::start(World::generate(&Recipe { nulls: false, ..Recipe::runs(3) }), Switches::default());
    let query = "{ project(name: \"fleet\", entityName: \"acme\") { run(name: \"r0000002\") {
        config some: config(keys: [\"model\", \"seed\", \"nope\"]) summaryMetrics(keys: [\"loss\"]) } } }";
    let run = ask(&server, query, json!({})).body["data"]["project"]["run"].take();
    let whole = members(run["config"].as_str().unwrap()).len();
    let some = members(run["some"].as_str().unwrap());
    assert!(whole > 40 && some.iter().all(|(key, _)| key == "model" || key == "seed"), "{some:?}");
    assert!(members(run["summaryMetrics"].as_str().unwrap()).len() <= 1);
}

#[test]
fn artifacts_nest_page_and_carry_the_aliases_of_every_collection() {
    let recipe = Recipe { artifacts: 25, gaps: true, ..Recipe::small(40) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    let query = "query A($after: String) { project(name: \"fleet\", entityName: \"acme\") { run(name: \"r0000003\") {
        outputArtifacts(first: 6, after: $after) { totalCount pageInfo { endCursor hasNextPage }
            edges { cursor node { id versionIndex state artifactType { name } artifactSequence { name project { name } }
                aliases { alias artifactCollectionName artifactCollection { __typename name } } createdBy { ... on Run { name } } } } }
        inputArtifacts(first: 100) { totalCount edges { usedAs node { id } } } } } }";
    let (mut after, mut seen) = (Value::Null, Vec::new());
    loop {
        let run = ask(&server, query, json!({"after": after})).body["data"]["project"]["run"].take();
        let page = &run["outputArtifacts"];
        assert_eq!((&page["totalCount"], &run["inputArtifacts"]["totalCount"]), (&json!(15), &json!(10)));
        seen.extend(page["edges"].as_array().unwrap().clone());
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(seen.len(), 15);
    assert!(seen.iter().all(|edge| edge["node"]["createdBy"]["name"].as_str().is_none_or(|name| name == "r0000003")));
    let world = server.look(World::clone);
    let outputs = world.projects[0].runs.iter().flat_map(|run| &run.outputs);
    assert!(outputs.clone().any(Option::is_none), "no deleted artifact");
    assert!(outputs.clone().flatten().any(|made| made.version.is_none()), "no pending artifact");
    assert!(outputs.flatten().any(|made| made.aliases.iter().any(|alias| alias.portfolio)), "no registry alias");
}

// ------------------------------------------------------------------ filters

#[test]
fn filters_find_what_they_say() {
    let server = Server::start(World::generate(&Recipe::runs(120)), Switches::default());
    let text = |value: &Option<String>, wanted: &str| value.as_deref() == Some(wanted);
    let tagged = |run: &Run, tag: &str| run.tags.iter().flatten().any(|known| known == tag);
    let number = |value: Value| value.as_f64();
    let middle = server.look(|world| world.projects[0].runs[60].created_at);
    let check = |filter: Value, wanted: &dyn Fn(&Run) -> bool| {
        let found = filtered(&server, filter.clone());
        assert!(!found.is_empty(), "{filter} finds nothing");
        assert_eq!(found, expected(&server, wanted), "{filter}");
    };
    check(json!({}), &|_| true);
    check(json!({"state": "finished"}), &|run| text(&run.state, "finished"));
    check(json!({"state": {"$ne": "finished"}}), &|run| !text(&run.state, "finished"));
    check(json!({"$nor": [{"state": "finished"}, {"state": "failed"}]}), &|run| {
        !text(&run.state, "finished") && !text(&run.state, "failed")
    });
    check(json!({"jobType": {"$in": ["train", "eval"]}}), &|run| {
        text(&run.job_type, "train") || text(&run.job_type, "eval")
    });
    check(json!({"group": {"$nin": ["group-1"]}}), &|run| run.group.is_some() && !text(&run.group, "group-1"));
    check(json!({"group": null}), &|run| run.group.is_none());
    check(json!({"group": {"$exists": true}}), &|run| run.group.is_some());
    check(json!({"name": {"$regex": "^r00000[01]"}}), &|run| run.name.as_str() < "r0000020");
    check(json!({"username": "ada"}), &|run| run.user.as_ref().is_some_and(|user| text(&user.username, "ada")));
    check(json!({"tags": "prod"}), &|run| tagged(run, "prod"));
    check(json!({"tags": {"$in": ["prod", "debug"]}}), &|run| tagged(run, "prod") || tagged(run, "debug"));
    check(json!({"$or": [{"tags": null}, {"tags": {"$ne": "prod"}}]}), &|run| !tagged(run, "prod"));
    check(json!({"created_at": {"$gte": Dates::Naive.write(middle)}}), &|run| run.created_at >= middle);
    check(json!({"createdAt": {"$lt": Dates::Zulu.write(middle), "$gt": "2026-01-05"}}), &|run| {
        run.created_at < middle
    });
    check(json!({"config.learning_rate": {"$gt": 0.05}}), &|run| {
        number(config(run, "learning_rate")).is_some_and(|rate| rate > 0.05)
    });
    check(json!({"config.optimizer.value": "adam"}), &|run| config(run, "optimizer") == "adam");
    check(json!({"config.model.value.rope.base": {"$lte": 3}}), &|run| {
        number(config(run, "model")["rope"]["base"].clone()).is_some_and(|base| base <= 3.0)
    });
    check(json!({"config.use_ema": true}), &|run| config(run, "use_ema") == true);
    check(json!({"summary_metrics.val/loss": {"$lt": 1}}), &|run| {
        number(summary(run, "val/loss")).is_some_and(|loss| loss < 1.0)
    });
    check(json!({"summary_metrics.best.min": {"$gte": 1.5}}), &|run| {
        number(summary(run, "best")["min"].clone()).is_some_and(|min| min >= 1.5)
    });
    check(json!({"duration": {"$gt": 600}}), &|run| run.compute_seconds > 600.0);
    check(json!({"keys_info.keys.loss": {"$exists": true}}), &|run| {
        run.history_rows.is_some() && members(run.summary.as_deref().unwrap_or("")).iter().any(|(key, _)| key == "loss")
    });
}

#[test]
fn filters_that_the_server_does_not_know_are_refused() {
    let server = server(3);
    let wrong = [
        json!({"summary.loss": 1}),
        json!({"colour": "red"}),
        json!({"state": {"$not": "finished"}}),
        json!({"$xor": []}),
        json!({"$or": {"state": "finished"}}),
        json!({"created_at": {"$gt": "yesterday"}}),
        json!({"name": {"$regex": "("}}),
        json!([]),
    ];
    for filter in wrong {
        let reply = ask(&server, LIST, json!({"filters": filter.to_string()}));
        assert_eq!(reply.status, 400, "{filter}: {}", reply.body);
        assert!(message(&reply).starts_with("invalid filter"), "{}", reply.body);
    }
    assert_eq!(ask(&server, LIST, json!({"filters": "{"})).status, 400);
    assert_eq!(filtered(&server, json!({"State": "finished"})), [""; 0], "capitals find nothing, silently");
}

#[test]
fn keys_with_dots_cannot_be_filtered_and_deep_ones_are_not_found() {
    let server = server(0);
    server.change(|world| {
        let config = json!({"a.b": {"value": 1}, "n": {"value": {"o": {"p": {"q": 1}}}}});
        let summary = json!({"a": {"b": {"c": {"d": {"e": 1}}}}});
        let run = Run {
            name: "x".into(),
            config: Some(config.to_string()),
            summary: Some(summary.to_string()),
            ..Run::default()
        };
        world.insert("acme", "fleet", run);
    });
    let found = |filter: Value| filtered(&server, filter).len();
    assert_eq!(found(json!({"config.a.b": 1})) + found(json!({"config.a.b.value": 1})), 0);
    assert_eq!(found(json!({"config.n.value.o.p": {"$exists": true}})), 1);
    assert_eq!(found(json!({"config.n.value.o.p.q": 1})), 0);
    assert_eq!(found(json!({"summary_metrics.a.b.c.d": {"$exists": true}})), 1);
    assert_eq!(found(json!({"summary_metrics.a.b.c.d.e": 1})), 0);
}

#[test]
fn nulls_in_filters_can_be_sqls_or_mongos() {
    let server = server(60);
    let ne = || filtered(&server, json!({"group": {"$ne": "group-1"}})).len();
    let (sql, none) = (ne(), filtered(&server, json!({"group": null})).len());
    server.set(|switches| switches.nulls = Nulls::Mongo);
    assert!(none > 0);
    assert_eq!(ne(), sql + none);
}

#[test]
fn filter_fields_can_be_lacking() {
    let server = server(3);
    server.set(|switches| switches.lacking_filters.extend(["updated_at".to_owned()]));
    let status =
        |field: &str| ask(&server, LIST, json!({"filters": json!({field: {"$gt": "2026-01-01"}}).to_string()})).status;
    assert_eq!((status("updated_at"), status("created_at")), (400, 200));
}

// ------------------------------------------------------------------ order and pages

#[test]
fn pages_follow_cursors_in_the_order_asked_for() {
    let server = server(53);
    for first in [1, 10, 53, 100] {
        assert_eq!(walk(&server, first, "+name"), expected(&server, |_| true), "{first}");
    }
    let mut backwards = expected(&server, |_| true);
    backwards.reverse();
    assert_eq!(walk(&server, 20, "-name"), backwards);
    assert_eq!(walk(&server, 20, "+created_at").len(), 53);
    let losses = |order: &str| -> Vec<f64> {
        let world = server.look(World::clone);
        let loss = |name: &String| summary(world.projects[0].run(name).unwrap(), "loss").as_f64();
        walk(&server, 20, order).iter().filter_map(loss).collect()
    };
    assert!(losses("+summary_metrics.loss").is_sorted(), "{:?}", losses("+summary_metrics.loss"));
    assert!(losses("-summary_metrics.loss").is_sorted_by(|a, b| a >= b));
    assert_eq!(names(&ask(&server, LIST, json!({})).body).len(), 50, "the server's own page size");
    assert_eq!(ask(&server, LIST, json!({"order": "+colour"})).status, 400);
    assert_eq!(ask(&server, LIST, json!({"first": -1})).status, 400);
    assert_eq!(ask(&server, LIST, json!({"after": "what"})).status, 400);
}

#[test]
fn cursors_are_offsets() {
    let server = server(5);
    let page = ask(&server, LIST, json!({"first": 3})).body;
    assert_eq!(page["data"]["project"]["runs"]["edges"][2]["cursor"], "YXJyYXljb25uZWN0aW9uOjI=");
    let rest = ask(&server, LIST, json!({"after": "YXJyYXljb25uZWN0aW9uOjI=", "order": "+name"})).body;
    assert_eq!(names(&rest), ["r0000003", "r0000004"]);
}

#[test]
fn unstable_ties_make_a_walk_miss_runs() {
    let recipe = Recipe { ties: 100, ..Recipe::small(100) };
    let server = Server::start(World::generate(&recipe), Switches::default());
    let distinct = |server: &Server| walk(server, 10, "+created_at").into_iter().collect::<BTreeSet<_>>().len();
    assert_eq!(distinct(&server), 100);
    server.set(|switches| switches.unstable_ties = true);
    assert!(distinct(&server) < 100);
    assert_eq!(walk(&server, 10, "+created_at").len(), 100, "the count is right, the set is not");
}

#[test]
fn pages_can_be_limited_in_runs_and_bytes() {
    let server = server(30);
    server.set(|switches| switches.max_first = Some(MaxFirst::Cap(10)));
    let page = ask(&server, LIST, json!({"first": 30})).body;
    assert_eq!((names(&page).len(), &page["data"]["project"]["runs"]["pageInfo"]["hasNextPage"]), (10, &json!(true)));
    server.set(|switches| switches.max_first = Some(MaxFirst::Refuse(10)));
    assert_eq!(ask(&server, LIST, json!({"first": 30})).status, 400);
    for status in [413, 502] {
        server.set(|switches| (switches.max_first, switches.max_bytes) = (None, Some((1_000, status))));
        assert_eq!(ask(&server, LIST, json!({"first": 30})).status, status);
        assert_eq!(ask(&server, LIST, json!({"first": 5})).status, 200);
    }
}

#[test]
fn counts_can_lag() {
    let server = server(10);
    server.set(|switches| switches.count_lag = -3);
    let project = ask(&server, LIST, json!({})).body["data"]["project"].take();
    assert_eq!((&project["runCount"], &project["runs"]["totalCount"]), (&json!(7), &json!(7)));
    assert_eq!(project["runs"]["edges"].as_array().unwrap().len(), 10);
}

// ------------------------------------------------------------------ changes

#[test]
fn a_deletion_between_pages_shifts_the_window() {
    let server = server(30);
    server.on_request(|number, world| {
        if number == 2 {
            world.delete("acme", "fleet", "r0000000").unwrap();
        }
    });
    let all = walk(&server, 10, "+name");
    assert!(!all.contains(&"r0000010".to_owned()), "the run behind the first page slipped through");
    assert_eq!(all.len(), 29);
}

#[test]
fn edits_renames_and_bumps_show_in_updated_at() {
    let server = server(5);
    let begin = server.look(|world| world.now);
    server.change(|world| {
        world.edit("acme", "fleet", "r0000001", |run| run.summary = Some("{\"loss\":9}".into()));
        world.rename("acme", "fleet", "r0000002", "better");
        world.bump("acme", "fleet", "r0000003");
        assert!(!world.edit("acme", "fleet", "nobody", |_| {}));
    });
    let changed = filtered(&server, json!({"updated_at": {"$gt": Dates::Zulu.write(begin)}}));
    assert_eq!(changed, ["r0000001", "r0000002", "r0000003"]);
    assert_eq!(filtered(&server, json!({"display_name": "better"})), ["r0000002"]);
    assert_eq!(walk(&server, 5, "-heartbeat_at")[0], "r0000003");
}

#[test]
fn a_world_can_be_put_in_the_place_of_another() {
    let server = server(5);
    assert_eq!(walk(&server, 10, "+name").len(), 5);
    server.change(|world| *world = World::generate(&Recipe { seed: 9, ..Recipe::small(8) }));
    assert_eq!(walk(&server, 10, "+name").len(), 8);
}

#[test]
fn schedules_are_the_same_for_the_same_seed_and_leave_moments() {
    let recipe = Recipe::small(40);
    let play = |seed| {
        let server = server(40);
        server.watch("acme", "fleet");
        server.on_request(Schedule::new(seed, &recipe).hook());
        walk(&server, 5, "+created_at");
        server.moments()
    };
    let moments = play(3);
    assert!(moments.len() > 3 && moments.first() != moments.last());
    assert_eq!(moments, play(3));
    assert_ne!(moments, play(4));
}

// ------------------------------------------------------------------ who asks

#[test]
fn keys_are_checked_and_anonymous_visitors_see_public_projects() {
    let server = server(3);
    server.change(|world| world.project_mut("acme", "fleet").unwrap().private = true);
    let query = "{ viewer { username entity } project(name: \"fleet\", entityName: \"acme\") { runCount } }";
    let status = |key: Option<&str>| post(&server.url(), key, query, json!({})).unwrap().status;
    assert_eq!((status(Some(KEY)), status(Some("wrong")), status(None)), (200, 401, 401));
    server.set(|switches| switches.anonymous = true);
    let nobody = post(&server.url(), None, query, json!({})).unwrap();
    assert_eq!(nobody.body, json!({"data": {"viewer": null, "project": null}}));
    server.change(|world| world.project_mut("acme", "fleet").unwrap().private = false);
    let nobody = post(&server.url(), None, query, json!({})).unwrap();
    assert_eq!(nobody.body, json!({"data": {"viewer": null, "project": {"runCount": 3}}}));
    server.set(|switches| switches.key = "another".into());
    assert_eq!((status(Some(KEY)), status(Some("another"))), (401, 200));
}

#[test]
fn the_viewers_entity_is_the_default() {
    let server = server(3);
    let reply = ask(&server, "{ viewer { username entity email } project(name: \"fleet\") { entityName } }", json!({}));
    let viewer = json!({"username": "ada", "entity": "acme", "email": "ada@example.com"});
    assert_eq!(reply.body["data"], json!({"viewer": viewer, "project": {"entityName": "acme"}}));
}

#[test]
fn hidden_and_missing_projects_are_null() {
    let server = server(3);
    let project = || ask(&server, LIST, json!({})).body["data"]["project"].take();
    assert_ne!(project(), Value::Null);
    server.set(|switches| switches.hidden.extend(["acme/fleet".to_owned()]));
    assert_eq!(project(), Value::Null);
    assert_eq!(ask(&server, "{ project(name: \"x\", entityName: \"y\") { name } }", json!({})).status, 200);
}

// ------------------------------------------------------------------ trouble

/// The status of one request under a fault, and that the next one goes well.
fn under(fault: Fault) -> Reply {
    let server = server(3);
    server.set(|switches| switches.fail(fault.clone(), 1));
    let reply = ask(&server, LIST, json!({}));
    assert_eq!(ask(&server, LIST, json!({})).status, 200);
    assert_eq!(server.requests()[0].fault, Some(fault));
    reply
}

#[test]
fn statuses_come_with_their_bodies() {
    for status in [401, 403, 404, 409, 429, 500, 501, 503] {
        let reply = under(Fault::Status(status));
        assert_eq!(reply.status, status);
        assert!(reply.body["error"].is_string());
    }
    let deadline = under(Fault::Deadline);
    assert_eq!((deadline.status, message(&deadline)), (500, "context deadline exceeded"));
    assert_eq!(deadline.body["data"], json!({"project": null}));
    assert!(under(Fault::Proxy(502)).body.as_str().unwrap().starts_with("<html>"));
    assert_eq!(under(Fault::Body("{\"data\":".into())).body, "{\"data\":");
}

#[test]
fn too_many_requests_come_with_and_without_headers() {
    let limits = Limits { limit: "1000".into(), remaining: "0".into(), reset: "7".into() };
    let reply = under(Fault::TooMany { retry_after: Some("2".into()), limits: Some(limits) });
    assert_eq!((reply.status, header(&reply, "retry-after")), (429, Some("2")));
    assert_eq!((header(&reply, "ratelimit-remaining"), header(&reply, "ratelimit-reset")), (Some("0"), Some("7")));
    let bare = under(Fault::TooMany { retry_after: None, limits: None });
    assert_eq!((bare.status, header(&bare, "retry-after"), header(&bare, "ratelimit-limit")), (429, None, None));
}

#[test]
fn a_limiter_counts_requests_in_windows() {
    let server = server(3);
    let limiter = Limiter { requests: 3, window: Duration::from_millis(400), headers: true, retry_after: true };
    server.set(|switches| switches.limiter = Some(limiter));
    let replies: Vec<Reply> = (0..5).map(|_| ask(&server, LIST, json!({}))).collect();
    assert_eq!(replies.iter().map(|reply| reply.status).collect::<Vec<_>>(), [200, 200, 200, 429, 429]);
    assert_eq!(header(&replies[0], "ratelimit-remaining"), Some("2"));
    let wait: f64 = header(&replies[4], "retry-after").unwrap().parse().unwrap();
    std::thread::sleep(Duration::from_secs_f64(wait + 0.01));
    assert_eq!(ask(&server, LIST, json!({})).status, 200);
}

#[test]
fn errors_come_in_a_200() {
    let fault = |partial| Fault::Errors { message: "no".into(), code: Some("PERMISSION_ERROR".into()), partial };
    let bare = under(fault(false));
    assert_eq!((bare.status, message(&bare), &bare.body["data"]), (200, "no", &Value::Null));
    assert_eq!(bare.body["errors"][0]["extensions"]["code"], "PERMISSION_ERROR");
    let partial = under(fault(true));
    assert_eq!((partial.status, message(&partial), names(&partial.body).len()), (200, "no", 3));
}

#[test]
fn hangs_drops_and_cuts_break_the_connection() {
    let faults = [
        Fault::Hang(Duration::from_millis(100)),
        Fault::Drop,
        Fault::Cut { part: 0.5, chunked: false },
        Fault::Cut { part: 0.5, chunked: true },
    ];
    for fault in faults {
        let server = server(30);
        server.set(|switches| switches.fail(fault.clone(), 1));
        let reply = post(&server.url(), Some(KEY), LIST, json!({}));
        assert!(reply.is_err(), "{fault:?} went well");
        assert_eq!(ask(&server, LIST, json!({})).status, 200);
    }
}

#[test]
fn a_hanging_server_stops_at_once() {
    let begun = Instant::now();
    let server = server(3);
    server.set(|switches| switches.always = Some(Fault::Hang(Duration::from_secs(60))));
    let url = server.url();
    let client = std::thread::spawn(move || post(&url, Some(KEY), LIST, json!({})).is_err());
    while server.requests().is_empty() {
        std::thread::sleep(Duration::from_millis(5));
    }
    drop(server);
    assert!(client.join().unwrap() && begun.elapsed() < Duration::from_secs(4));
}

#[test]
fn slow_bodies_arrive_whole_and_latency_is_waited() {
    let server = server(30);
    server.set(|switches| switches.fail(Fault::Slow { pieces: 5, pause: Duration::from_millis(20) }, 1));
    let timed = || {
        let begun = Instant::now();
        assert_eq!(names(&ask(&server, LIST, json!({})).body).len(), 30);
        begun.elapsed()
    };
    assert!(timed() >= Duration::from_millis(80));
    server.set(|switches| switches.latency = Duration::from_millis(60));
    assert!(timed() >= Duration::from_millis(60));
}

#[test]
fn bodies_can_be_compressed() {
    let server = server(30);
    assert_eq!(header(&ask(&server, LIST, json!({})), "content-encoding"), None);
    server.set(|switches| switches.gzip = true);
    let reply = ask(&server, LIST, json!({}));
    assert_eq!(names(&reply.body).len(), 30, "ureq accepts gzip and unpacks it");
    let plain = ureq::Agent::config_builder().accept_encoding("identity").build().new_agent();
    let basic = base64::engine::general_purpose::STANDARD.encode(format!("api:{KEY}"));
    let plain = plain.post(format!("{}/graphql", server.url())).header("authorization", format!("Basic {basic}"));
    assert!(plain.send_json(json!({"query": LIST})).unwrap().headers().get("content-encoding").is_none());
    let sizes: Vec<usize> = server.requests().iter().map(|request| request.bytes_out).collect();
    assert_eq!(sizes[1], sizes[2], "the log counts what was answered, not what went over the wire");
}

#[test]
fn redirects_go_where_they_are_told() {
    let (server, other) = (server(3), server(3));
    let to = format!("{}/graphql", other.url());
    server.set(|switches| switches.fail(Fault::Redirect(307, to.clone()), 1));
    let reply = ask(&server, LIST, json!({}));
    assert_eq!((reply.status, header(&reply, "location")), (307, Some(to.as_str())));
    assert!(other.requests().is_empty());
}

#[test]
fn old_servers_lack_fields_and_arguments() {
    let server = Server::start(World::generate(&Recipe::small(3)), Switches::default().old());
    let node = |fields: &str| {
        format!("{{ project(name: \"fleet\", entityName: \"acme\") {{ runs {{ edges {{ node {{ {fields} }} }} }} }} }}")
    };
    let reply = ask(&server, &node("name updatedAt computeSeconds"), json!({}));
    assert_eq!((reply.status, message(&reply)), (400, "Cannot query field \"updatedAt\" on type \"Run\"."));
    assert_eq!(reply.body["errors"].as_array().unwrap().len(), 2, "both are told at once");
    assert_eq!(ask(&server, &node("name createdAt"), json!({})).status, 200);
    server.set(|switches| switches.lacking = ["Run.config(keys)".to_owned()].into());
    assert_eq!(
        message(&ask(&server, &node("config(keys: [])"), json!({}))),
        "Unknown argument \"keys\" on field \"config\" of type \"Run\"."
    );
    assert_eq!(ask(&server, &node("config updatedAt"), json!({})).status, 200);
}

#[test]
fn times_come_in_three_spellings() {
    let server = server(3);
    let time = |dates| {
        server.set(|switches| switches.dates = dates);
        let query = "{ project(name: \"fleet\", entityName: \"acme\") { run(name: \"r0000001\") { createdAt } } }";
        ask(&server, query, json!({})).body["data"]["project"]["run"]["createdAt"].as_str().unwrap().to_owned()
    };
    let (zulu, naive, seconds) = (time(Dates::Zulu), time(Dates::Naive), time(Dates::Seconds));
    assert_eq!(zulu.trim_end_matches('Z'), naive);
    assert!(zulu.ends_with('Z') && naive.contains('.') && naive.starts_with(&seconds) && seconds.len() == 19);
}

// ------------------------------------------------------------------ the log and the logs

#[test]
fn requests_are_logged_without_the_key() {
    let server = server(3);
    ask(&server, LIST, json!({"first": 2}));
    post(&server.url(), None, "{ viewer { id } }", json!({})).unwrap();
    let requests = server.requests();
    let first = &requests[0];
    assert_eq!((first.number, first.operation.as_deref(), &first.variables), (1, Some("List"), &json!({"first": 2})));
    assert!(first.authorized && first.status == 200 && first.bytes_out > 100 && first.in_flight == 1);
    assert!(first.header("user-agent").is_some_and(|agent| agent.starts_with("ureq")));
    assert!(!requests[1].authorized && requests[1].status == 401);
    assert!(!format!("{requests:?}").contains(&base64::engine::general_purpose::STANDARD.encode(format!("api:{KEY}"))));
    server.forget_requests();
    assert!(server.requests().is_empty());
}

#[test]
fn requests_are_answered_side_by_side() {
    let server = server(3);
    server.set(|switches| switches.latency = Duration::from_millis(150));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        (0..8).for_each(|_| drop(scope.spawn(|| ask(&server, LIST, json!({})))));
    });
    assert!(begun.elapsed() < Duration::from_millis(900));
    assert_eq!(server.requests().iter().map(|request| request.in_flight).max(), Some(8));
}

#[test]
fn the_bundled_logs_can_be_served() {
    let logs = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/wandb");
    let now = runframe::Timestamp::parse("2026-11-13T16:24:00Z").unwrap();
    let world = World::from_logs(logs, now).unwrap();
    assert_eq!(world.projects.iter().map(|project| project.runs.len()).sum::<usize>(), 41);
    let server = Server::start(world, Switches::default());
    let path = server.look(|world| (world.projects[0].entity.clone(), world.projects[0].name.clone()));
    let query =
        "query A($e: String, $p: String) { project(name: $p, entityName: $e) { runs(first: 100) { totalCount edges {
        node { config summaryMetrics outputArtifacts { edges { node { versionIndex digest } } } } } } } }";
    let reply = ask(&server, query, json!({"e": path.0, "p": path.1}));
    assert_eq!(reply.status, 200, "{}", reply.body);
    let node = &reply.body["data"]["project"]["runs"]["edges"][0]["node"];
    let config: Value = serde_json::from_str(node["config"].as_str().unwrap()).unwrap();
    assert!(config.as_object().unwrap().values().all(|value| value.get("value").is_some()), "{config}");
}

#[test]
fn histories_answers_that_are_kept_are_what_would_be_made_anew() {
    let recipe = HistoryRecipe { live: 20, overlap: 5, wide: 2, ..HistoryRecipe::rows(60) };
    let world = World::generate(&Recipe { history: Some(recipe), ..Recipe::small(2) });
    let server = Server::start(world.clone(), Switches::default());
    let specs = [
        r#"{"keys":["_step","loss"],"samples":7,"minStep":20,"maxStep":50}"#,
        r#"{"keys":["_step","val/loss","wide_1"],"samples":100}"#,
    ];
    let query = "query Q($run: String!, $specs: [JSONString!]!) { project(name: \"fleet\", entityName: \"acme\") {
        run(name: $run) { history(minStep: 5, maxStep: 30, samples: 9) sampledHistory(specs: $specs)
            parquetHistory(liveKeys: [\"_step\", \"loss\"]) { liveData } } } }";
    let asked = |run: &str| {
        let body = ask(&server, query, json!({"run": run, "specs": specs})).body;
        body["data"]["project"]["run"].clone()
    };
    let read = |text: String| serde_json::from_str::<Value>(&text).unwrap();
    for run in &world.projects[0].runs {
        let first = asked(&run.name);
        assert_eq!(first, asked(&run.name));
        let history = run.history.as_ref().unwrap();
        let lists = specs.map(|spec| read(history.spec(Of::All, spec).unwrap()));
        assert_eq!(lists[0].as_array().unwrap().len(), 7);
        assert_eq!(first["sampledHistory"], json!(lists));
        assert_eq!(first["history"], json!(history.page(Of::All, Some(5), Some(30), 9)));
        assert_eq!(first["parquetHistory"]["liveData"], read(history.live_data(&["_step", "loss"])));
    }
    server.change(|world| {
        let history = std::sync::Arc::make_mut(world.projects[0].runs[0].history.as_mut().unwrap());
        history.rows[20].1 = "{\"_step\":20,\"loss\":-5.0}".to_owned();
    });
    let name = &world.projects[0].runs[0].name;
    assert!(asked(name)["sampledHistory"].to_string().contains("-5.0"), "what was kept is not true any more");
}
