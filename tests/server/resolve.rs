//! What every field of the schema is, for every kind of object.

use super::execute::{Context, Failure};
use super::history::sample;
use super::order::page;
use super::plan::Planned;
use super::text::{cursor, member, project as project_keys};
use super::world::{Alias, Artifact, Project, Run, User, global_id};
use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

/// A thing that fields can be asked of.
#[derive(Clone)]
pub enum Obj<'a> {
    Query,
    ServerInfo,
    LocalVersion,
    Feature(&'a (String, bool)),
    User(&'a User),
    Entity(&'a str),
    Project(&'a Project),
    Run(&'a Project, &'a Run),
    RunInfo(&'a Run),
    /// The history of a run, and the keys that live rows are asked for.
    ParquetHistory(&'a Project, &'a Run, Rc<[String]>),
    Sweep(&'a Project, &'a str),
    Artifact(&'a Artifact),
    ArtifactType(&'a str),
    Tag(&'a str),
    Alias(&'a Alias),
    Collection(Collection<'a>),
    Membership(&'a Artifact),
    Connection(Rc<Connection<'a>>),
    Edge(Edge<'a>),
    PageInfo(Rc<Connection<'a>>),
}

#[derive(Clone)]
pub struct Collection<'a> {
    entity: &'a str,
    project: &'a str,
    name: &'a str,
    portfolio: bool,
}

/// One page of a list.
pub struct Connection<'a> {
    total: i64,
    edges: Vec<Edge<'a>>,
    more: bool,
}

#[derive(Clone)]
pub struct Edge<'a> {
    node: Option<Box<Obj<'a>>>,
    offset: usize,
    used_as: &'a [String],
}

/// The value of a field.
pub enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    Texts(Cow<'a, [String]>),
    Json(Cow<'a, str>),
    /// JSON that is kept for the next one who asks.
    Kept(Arc<str>),
    Obj(Obj<'a>),
    List(Vec<Obj<'a>>),
}

type Answer<'a> = Result<Val<'a>, Failure>;

fn text<'a>(text: impl Into<Cow<'a, str>>) -> Val<'a> {
    Val::Text(text.into())
}

fn maybe<'a, T>(value: Option<T>, make: impl FnOnce(T) -> Val<'a>) -> Val<'a> {
    value.map_or(Val::Null, make)
}

fn words(value: &Option<String>) -> Val<'_> {
    maybe(value.as_deref(), text)
}

fn some(obj: Option<Obj<'_>>) -> Val<'_> {
    maybe(obj, Val::Obj)
}

impl Obj<'_> {
    /// The object type, of those that can stand for an interface or a union.
    pub fn concrete(&self) -> &'static str {
        match self {
            Obj::Run(..) => "Run",
            Obj::User(_) => "User",
            Obj::Collection(collection) if collection.portfolio => "ArtifactPortfolio",
            Obj::Collection(_) => "ArtifactSequence",
            _ => unreachable!("only runs, users and collections stand for several types"),
        }
    }
}

/// The value of one field of one object.
pub fn field<'a>(context: &Context<'a>, of: &Obj<'a>, field: &Planned) -> Answer<'a> {
    let name = field.name.as_str();
    Ok(match of {
        Obj::Query => return query(context, name, field),
        Obj::ServerInfo => server_info(context, name),
        Obj::LocalVersion => {
            if name == "outOfDate" {
                Val::Bool(false)
            } else {
                text("0.75.0")
            }
        }
        Obj::Feature(feature) => {
            if name == "name" {
                text(&*feature.0)
            } else {
                Val::Bool(feature.1)
            }
        }
        Obj::User(of) => user(context, of, name),
        Obj::Entity(of) => return entity(context, of, name, field),
        Obj::Project(of) => return project(context, of, name, field),
        Obj::Run(of, run) => return self::run(context, of, run, name, field),
        Obj::RunInfo(_) => run_info(name),
        Obj::ParquetHistory(of, run, keys) => return exported(context, of, run, name, keys),
        Obj::Sweep(of, id) => sweep(context, of, id, name),
        Obj::Artifact(of) => artifact(context, of, name, field),
        Obj::ArtifactType(kind) => artifact_type(context, kind, name),
        Obj::Tag(tag) => tag_field(tag, name),
        Obj::Alias(of) => alias(of, name),
        Obj::Collection(of) => collection(context, of, name),
        Obj::Membership(of) => membership(context, of, name),
        Obj::Connection(page) => connection(page, name),
        Obj::Edge(edge) => match name {
            "node" => some(edge.node.as_deref().cloned()),
            "cursor" => text(cursor(edge.offset)),
            _ => Val::Texts(edge.used_as.into()),
        },
        Obj::PageInfo(page) => page_info(page, name),
    })
}

fn query<'a>(context: &Context<'a>, name: &str, field: &Planned) -> Answer<'a> {
    Ok(match name {
        "viewer" => some(context.viewer.map(Obj::User)),
        "serverInfo" => Val::Obj(Obj::ServerInfo),
        "entity" => some(known_entity(context, field.text("name")).map(Obj::Entity)),
        "project" | "model" => some(find_project(context, field.text("entityName"), field.text("name"))),
        "projects" | "models" => return projects(context, field.text("entityName"), field),
        _ => some(field.text("id").and_then(|id| artifacts(context).find(|known| known.id == id)).map(Obj::Artifact)),
    })
}

/// An entity that the one who asks may see.
fn known_entity<'a>(context: &Context<'a>, name: Option<&str>) -> Option<&'a str> {
    let mut all = context.world.projects.iter().map(|project| project.entity.as_str());
    let wanted = name.or(context.viewer?.entity.as_deref());
    all.find(|entity| Some(*entity) == wanted)
}

fn visible(context: &Context<'_>, project: &Project) -> bool {
    let path = format!("{}/{}", project.entity, project.name);
    !context.switches.hidden.contains(&path) && (!project.private || context.viewer.is_some())
}

fn find_project<'a>(context: &Context<'a>, entity: Option<&str>, name: Option<&str>) -> Option<Obj<'a>> {
    let entity = match entity.filter(|entity| !entity.is_empty()) {
        Some(entity) => entity,
        None => context.viewer?.entity.as_deref()?,
    };
    context.world.project(entity, name?).filter(|project| visible(context, project)).map(Obj::Project)
}

fn projects<'a>(context: &Context<'a>, entity: Option<&str>, field: &Planned) -> Answer<'a> {
    let entity = known_entity(context, entity);
    let of = context.world.projects.iter().filter(|p| Some(p.entity.as_str()) == entity && visible(context, p));
    let all: Vec<&Project> = of.collect();
    paged(context, field, all.len(), |at| (Some(Obj::Project(all[at])), &[]))
}

/// Every artifact version that a run made or used.
fn artifacts<'a>(context: &Context<'a>) -> impl Iterator<Item = &'a Artifact> {
    let seen = context.world.projects.iter().filter(|project| visible(context, project));
    seen.flat_map(|project| &project.runs).flat_map(|run| {
        run.outputs.iter().flatten().chain(run.inputs.iter().flat_map(|input| &input.artifact)).map(AsRef::as_ref)
    })
}

fn paged<'a>(
    context: &Context<'a>,
    field: &Planned,
    len: usize,
    edge: impl Fn(usize) -> (Option<Obj<'a>>, &'a [String]),
) -> Answer<'a> {
    let refused = |message| Failure::new(400, message);
    let range = page(len, field.text("after"), field.int("first"), context.switches.max_first).map_err(refused)?;
    let edges = range.clone().map(|at| {
        let (node, used_as) = edge(at);
        Edge { node: node.map(Box::new), offset: at, used_as }
    });
    let page = Connection { total: len as i64, edges: edges.collect(), more: range.end < len };
    Ok(Val::Obj(Obj::Connection(Rc::new(page))))
}

fn connection<'a>(page: &Rc<Connection<'a>>, name: &str) -> Val<'a> {
    match name {
        "totalCount" => Val::Int(page.total),
        "edges" => Val::List(page.edges.iter().cloned().map(Obj::Edge).collect()),
        _ => Val::Obj(Obj::PageInfo(page.clone())),
    }
}

fn page_info<'a>(page: &Connection<'a>, name: &str) -> Val<'a> {
    let at = |edge: Option<&Edge<'_>>| maybe(edge, |edge| text(cursor(edge.offset)));
    match name {
        "startCursor" => at(page.edges.first()),
        "endCursor" => at(page.edges.last()),
        "hasNextPage" => Val::Bool(page.more),
        _ => Val::Bool(page.edges.first().is_some_and(|edge| edge.offset > 0)),
    }
}

fn server_info<'a>(context: &Context<'a>, name: &str) -> Val<'a> {
    match name {
        "features" => Val::List(context.switches.features.iter().map(Obj::Feature).collect()),
        "cliVersionInfo" => Val::Json(r#"{"max_cli_version":"0.31.0","min_cli_version":"0.10.0"}"#.into()),
        _ => Val::Obj(Obj::LocalVersion),
    }
}

fn user<'a>(context: &Context<'a>, of: &'a User, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["User", of.username.as_deref().unwrap_or(&of.name)])),
        "name" => text(&*of.name),
        "username" => words(&of.username),
        // One's own, or an administrator's to see.
        "email" if context.viewer.is_some_and(|viewer| viewer.admin || viewer == of) => words(&of.email),
        "entity" => words(&of.entity),
        "admin" => Val::Bool(of.admin),
        "flags" => text("{}"),
        "apiKeys" => Val::Obj(Obj::Connection(Rc::new(Connection { total: 0, edges: Vec::new(), more: false }))),
        "teams" => {
            let edge = |(at, team): (usize, &'a String)| Edge {
                node: Some(Box::new(Obj::Entity(team))),
                offset: at,
                used_as: &[],
            };
            let edges: Vec<_> = of.teams.iter().enumerate().map(edge).collect();
            Val::Obj(Obj::Connection(Rc::new(Connection { total: edges.len() as i64, edges, more: false })))
        }
        _ => Val::Null,
    }
}

fn entity<'a>(context: &Context<'a>, of: &'a str, name: &str, field: &Planned) -> Answer<'a> {
    Ok(match name {
        "id" => text(global_id(&["Entity", of])),
        "name" => text(of),
        "isTeam" => Val::Bool(!context.world.users.iter().any(|user| user.username.as_deref() == Some(of))),
        "project" => some(find_project(context, Some(of), field.text("name"))),
        "projects" => return projects(context, Some(of), field),
        _ => Val::Bool(false),
    })
}

fn date<'a>(context: &Context<'_>, micros: i64) -> Val<'a> {
    text(context.switches.dates.write(micros))
}

fn project<'a>(context: &Context<'a>, of: &'a Project, name: &str, field: &Planned) -> Answer<'a> {
    Ok(match name {
        "id" => text(of.id()),
        "internalId" => text(of.internal_id.to_string()),
        "name" => text(&*of.name),
        "entityName" => text(&*of.entity),
        "entity" => Val::Obj(Obj::Entity(&of.entity)),
        "createdAt" => date(context, of.created_at),
        "user" => some(context.world.viewer().map(|user| Obj::User(user))),
        "isBenchmark" | "readOnly" => Val::Bool(name == "readOnly" && context.viewer.is_none()),
        "access" => text(if of.private { "PRIVATE" } else { "USER_READ" }),
        "runCount" => Val::Int(count(context, listing(context, of, field)?.len())),
        "runs" => return runs(context, of, field),
        "run" | "bucket" => some(field.text("name").and_then(|name| of.run(name)).map(|run| Obj::Run(of, run))),
        "sweep" => some(field.text("sweepName").and_then(|id| find_sweep(of, id)).map(|id| Obj::Sweep(of, id))),
        "totalSweeps" => Val::Int(0),
        "artifact" => some(field.text("name").and_then(|name| resolve_name(context, of, name)).map(Obj::Artifact)),
        "artifactCollectionMembership" => {
            some(field.text("name").and_then(|name| resolve_name(context, of, name)).map(Obj::Membership))
        }
        _ => Val::Null,
    })
}

fn count(context: &Context<'_>, runs: usize) -> i64 {
    (runs as i64 + context.switches.count_lag).max(0)
}

fn listing(context: &Context<'_>, of: &Project, field: &Planned) -> Result<super::order::Listing, Failure> {
    let filters = match field.args.get("filters") {
        None | Some(serde_json::Value::Null) => "{}",
        Some(serde_json::Value::String(text)) if text.is_empty() => "{}",
        Some(serde_json::Value::String(text)) => text,
        Some(_) => return Err(Failure::new(400, "JSONString cannot represent a value that is not a string")),
    };
    let order = field.text("order");
    let listing = context.listings.get(of, filters, order, context.switches, context.request);
    listing.map_err(|message| Failure::new(400, message))
}

fn runs<'a>(context: &Context<'a>, of: &'a Project, field: &Planned) -> Answer<'a> {
    let listing = listing(context, of, field)?;
    let page = paged(context, field, listing.len(), |at| (Some(Obj::Run(of, &of.runs[listing[at] as usize])), &[]))?;
    Ok(match page {
        Val::Obj(Obj::Connection(page)) => {
            let page = Rc::into_inner(page).unwrap();
            let total = count(context, listing.len());
            Val::Obj(Obj::Connection(Rc::new(Connection { total, ..page })))
        }
        other => other,
    })
}

fn run<'a>(context: &Context<'a>, of: &'a Project, run: &'a Run, name: &str, field: &Planned) -> Answer<'a> {
    Ok(match name {
        "id" => text(run.id(of)),
        "name" => text(&*run.name),
        "displayName" => words(&run.display_name),
        "projectId" => text(of.internal_id.to_string()),
        "project" => Val::Obj(Obj::Project(of)),
        "state" => words(&run.state),
        "tags" => maybe(run.tags.as_deref(), |tags| Val::Texts(tags.into())),
        "group" => words(&run.group),
        "jobType" => words(&run.job_type),
        "sweepName" => words(&run.sweep),
        "commit" => words(&run.commit),
        "host" => words(&run.host),
        "notes" | "description" => words(&run.notes),
        "readOnly" => Val::Bool(context.viewer.is_none()),
        "createdAt" => date(context, run.created_at),
        "heartbeatAt" => maybe(run.heartbeat_at, |at| date(context, at)),
        "updatedAt" => maybe(run.updated_at, |at| date(context, at)),
        "user" => some(run.user.as_deref().map(Obj::User)),
        "config" => document(&run.config, field),
        "summaryMetrics" => document(&run.summary, field),
        "systemMetrics" => words(&run.system_metrics),
        "wandbConfig" => maybe(run.config.as_deref().and_then(|config| member(config, "_wandb")), text),
        "historyLineCount" => maybe(run.history_rows, Val::Int),
        "historyKeys" => maybe(run.history_keys(), |keys| Val::Json(keys.into())),
        "computeSeconds" => Val::Float(run.compute_seconds),
        "stopped" | "shouldStop" => Val::Bool(false),
        "failed" | "running" => Val::Bool(run.state.as_deref() == Some(name)),
        "events" => {
            let samples = usize::try_from(field.int("samples").unwrap_or(500)).unwrap_or_default();
            Val::Texts(sample(&run.events, samples.min(context.switches.max_events)).into())
        }
        "eventsLineCount" => Val::Int(run.events.len() as i64),
        "history" => {
            let samples = usize::try_from(field.int("samples").unwrap_or(500)).unwrap_or_default();
            let (min, max) = (field.int("minStep"), field.int("maxStep"));
            let Some(history) = &run.history else { return Ok(Val::Texts(Vec::new().into())) };
            let page = || history.page(context.switches.pages, min, max, samples);
            return kept(context, (of, run), &format!("page {min:?} {max:?} {samples}"), || {
                serde_json::to_string(&page()).map_err(|error| error.to_string())
            });
        }
        "sampledHistory" => return sampled(context, of, run, field),
        "parquetHistory" => {
            let keys = field.texts("liveKeys").unwrap_or_default().into_iter().map(str::to_owned);
            Val::Obj(Obj::ParquetHistory(of, run, keys.collect()))
        }
        "runInfo" => Val::Obj(Obj::RunInfo(run)),
        "logLineCount" | "fileCount" => Val::Int(0),
        "historyTail" | "eventsTail" => text("[]"),
        "outputArtifacts" => {
            return paged(context, field, run.outputs.len(), |at| (run.outputs[at].as_deref().map(Obj::Artifact), &[]));
        }
        "inputArtifacts" => {
            return paged(context, field, run.inputs.len(), |at| {
                let input = &run.inputs[at];
                (input.artifact.as_deref().map(Obj::Artifact), &input.used_as)
            });
        }
        _ => Val::Null,
    })
}

/// An answer about a run's history, made where it was not asked for since the world changed.
fn kept<'a>(
    context: &Context<'_>,
    (of, run): (&Project, &Run),
    asked: &str,
    make: impl FnOnce() -> Result<String, String>,
) -> Answer<'a> {
    let asked = format!("{}/{}/{} {:?} {asked}", of.entity, of.name, run.name, context.switches.pages);
    context.answers.get(asked, make).map(Val::Kept).map_err(|message| Failure::new(400, message))
}

fn sampled<'a>(context: &Context<'_>, of: &Project, run: &'a Run, field: &Planned) -> Answer<'a> {
    let specs = field.texts("specs").unwrap_or_default();
    let Some(history) = &run.history else {
        return Ok(Val::Json(format!("[{}]", vec!["[]"; specs.len()].join(",")).into()));
    };
    kept(context, (of, run), &format!("specs {specs:?}"), || {
        history.specs(context.switches.pages, &specs).map_err(|message| format!("invalid history spec: {message}"))
    })
}

/// `parquetHistory`: the files in another order each time.
fn exported<'a>(context: &Context<'a>, of: &Project, run: &'a Run, name: &str, keys: &[String]) -> Answer<'a> {
    let Some(history) = &run.history else { return Ok(Val::Json("[]".into())) };
    if name == "liveData" {
        let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
        return kept(context, (of, run), &format!("live {keys:?}"), || Ok(history.live_data(&keys)));
    }
    let files = if history.exported > 0 { history.parquet().len() } else { 0 };
    let turn = context.storage.turn();
    let one = |at: usize| super::storage::path(&of.entity, &of.name, &run.name, (at + turn) % files);
    let urls: Vec<String> = (0..files).map(|at| context.storage.sign(context.switches, &one(at))).collect();
    Ok(Val::Texts(urls.into()))
}

/// Config or summary, whole or of some keys.
fn document<'a>(document: &'a Option<String>, field: &Planned) -> Val<'a> {
    maybe(document.as_deref(), |document| match field.texts("keys") {
        Some(keys) => text(project_keys(document, &keys)),
        None => text(document),
    })
}

fn run_info<'a>(name: &str) -> Val<'a> {
    match name {
        "program" => text("train.py"),
        "os" => text("Linux"),
        "python" => text("3.12.3"),
        _ => Val::Texts(Vec::new().into()),
    }
}

fn find_sweep<'a>(of: &'a Project, id: &str) -> Option<&'a str> {
    of.runs.iter().filter_map(|run| run.sweep.as_deref()).find(|sweep| *sweep == id)
}

fn sweep<'a>(context: &Context<'a>, of: &'a Project, id: &'a str, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["Sweep", "v1", id, &of.name, &of.entity])),
        "name" => text(id),
        "state" => text("FINISHED"),
        "config" => text("method: random\n"),
        "method" => text("random"),
        "createdAt" => date(context, of.created_at),
        "runCount" => Val::Int(of.runs.iter().filter(|run| run.sweep.as_deref() == Some(id)).count() as i64),
        _ => Val::Null,
    }
}

fn artifact<'a>(context: &Context<'a>, of: &'a Artifact, name: &str, field: &Planned) -> Val<'a> {
    let in_collection =
        |alias: &&Alias| field.text("artifactCollectionName").is_none_or(|name| alias.collection == name);
    match name {
        "id" => text(&*of.id),
        "artifactSequence" => Val::Obj(Obj::Collection(source(of))),
        "versionIndex" => maybe(of.version, Val::Int),
        "artifactType" => Val::Obj(Obj::ArtifactType(&of.kind)),
        "description" => words(&of.description),
        "metadata" => words(&of.metadata),
        "state" => text(of.state),
        "size" | "storageBytes" => Val::Int(of.size),
        "fileCount" => Val::Int(of.files),
        "digest" => text(&*of.digest),
        "digestAlgorithm" => text("MANIFEST_MD5"),
        "commitHash" => text(format!("{:0>20}", of.digest.get(..12).unwrap_or(&of.digest))),
        "createdAt" | "updatedAt" => date(context, of.created_at),
        "aliases" => Val::List(of.aliases.iter().filter(in_collection).map(Obj::Alias).collect()),
        "tags" => Val::List(of.tags.iter().map(|tag| Obj::Tag(tag)).collect()),
        "isGenerated" => Val::Bool(of.generated),
        "isLinkedToGlobalRegistry" => Val::Bool(of.aliases.iter().any(|alias| alias.portfolio)),
        "ttlDurationSeconds" => Val::Int(-2),
        "ttlIsInherited" => Val::Bool(true),
        "historyStep" | "usedCount" => Val::Int(0),
        "createdBy" => some(creator(context, of)),
        _ => Val::Null,
    }
}

fn creator<'a>(context: &Context<'a>, of: &Artifact) -> Option<Obj<'a>> {
    let project = context.world.project(&of.entity, &of.project)?;
    let made = |run: &&Run| run.outputs.iter().flatten().any(|output| output.id == of.id);
    project.runs.iter().find(made).map(|run| Obj::Run(project, run))
}

fn source(of: &Artifact) -> Collection<'_> {
    Collection { entity: &of.entity, project: &of.project, name: &of.collection, portfolio: false }
}

fn artifact_type<'a>(context: &Context<'a>, kind: &'a str, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["ArtifactType", kind])),
        "name" => text(kind),
        "createdAt" => date(context, context.world.now),
        _ => Val::Null,
    }
}

fn tag_field<'a>(tag: &'a str, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["Tag", tag])),
        "name" => text(tag),
        _ => Val::Null,
    }
}

fn alias<'a>(of: &'a Alias, name: &str) -> Val<'a> {
    let collection =
        Collection { entity: &of.entity, project: &of.project, name: &of.collection, portfolio: of.portfolio };
    match name {
        "id" => text(global_id(&["ArtifactAlias", &of.alias, &of.collection, &of.project])),
        "alias" => text(&*of.alias),
        "artifactCollectionName" => text(&*of.collection),
        _ => some(of.visible.then_some(Obj::Collection(collection))),
    }
}

fn collection<'a>(context: &Context<'a>, of: &Collection<'a>, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["ArtifactCollection", of.name, of.project, of.entity])),
        "name" => text(of.name),
        _ => some(find_project(context, Some(of.entity), Some(of.project))),
    }
}

fn membership<'a>(context: &Context<'a>, of: &'a Artifact, name: &str) -> Val<'a> {
    match name {
        "id" => text(global_id(&["ArtifactCollectionMembership", &of.id])),
        "versionIndex" => maybe(of.version, Val::Int),
        "createdAt" => date(context, of.created_at),
        "aliases" => Val::List(of.aliases.iter().map(Obj::Alias).collect()),
        "artifactCollection" => Val::Obj(Obj::Collection(source(of))),
        _ => Val::Obj(Obj::Artifact(of)),
    }
}

/// `collection[:alias]` in a project: an alias, a version or a digest.
fn resolve_name<'a>(context: &Context<'a>, of: &Project, name: &str) -> Option<&'a Artifact> {
    let (collection, alias) = name.split_once(':').unwrap_or((name, "latest"));
    let here = |artifact: &&Artifact| {
        artifact.collection == collection && artifact.project == of.name && artifact.entity == of.entity
    };
    let named = |artifact: &&Artifact| {
        artifact.digest == alias
            || artifact.version.is_some_and(|version| alias == format!("v{version}"))
            || artifact.aliases.iter().any(|known| known.alias == alias && known.collection == collection)
    };
    artifacts(context).filter(here).find(named)
}
