//! Worlds made up from a seed: runs of about 60 config and 110 summary keys, with all that real ones have.

use super::history::{History, HistoryRecipe, events};
use super::rng::Rng;
use super::world::{Alias, Artifact, Input, Project, Run, User, World, global_id};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::Arc;

/// 2026-01-05T08:00:00Z
const BEGIN: i64 = 1_767_600_000_000_000;
const DATASETS: usize = 4;
const VERSIONS: usize = 5;

/// What to make up.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub runs: usize,
    pub seed: u64,
    pub entity: String,
    pub project: String,
    /// Keys to choose three of four from.
    pub config_pool: usize,
    pub summary_pool: usize,
    /// Artifact versions of each run, logged and used ones together.
    pub artifacts: usize,
    /// So many of a hundred runs share the time of creation with the one before.
    pub ties: usize,
    /// Some fields are null.
    pub nulls: bool,
    /// Some runs have no user, some artifacts are gone or pending, as the schema allows; the SDK 0.31.0 fails on each of them.
    pub gaps: bool,
    /// The runs' logged steps.
    pub history: Option<HistoryRecipe>,
}

impl Recipe {
    pub fn runs(runs: usize) -> Recipe {
        Recipe {
            runs,
            seed: 7,
            entity: "acme".to_owned(),
            project: "fleet".to_owned(),
            config_pool: 74,
            summary_pool: 136,
            artifacts: 5,
            ties: 5,
            nulls: true,
            gaps: false,
            history: None,
        }
    }

    /// Few keys, for tests that are about the set of runs.
    pub fn small(runs: usize) -> Recipe {
        Recipe { config_pool: 6, summary_pool: 6, artifacts: 0, ..Recipe::runs(runs) }
    }

    fn rng(&self, index: usize, salt: u64) -> Rng {
        Rng::new(self.seed ^ (index as u64).wrapping_mul(0x1000_0000_01b3) ^ salt << 56)
    }

    /// The run of this index, without artifacts; the same for the same seed.
    pub fn run(&self, index: usize, created_at: i64, users: &[Arc<User>]) -> Run {
        let mut rng = self.rng(index, 1);
        let rare = |rng: &mut Rng| self.nulls && rng.percent(4);
        let state =
            *rng.pick(&["finished", "finished", "finished", "finished", "failed", "crashed", "killed", "running"]);
        let seconds = 30.0 + (rng.unit() * 7_200.0 * 1e6).round() / 1e6;
        let alive = created_at + (seconds * 1e6) as i64;
        let history = self.history.as_ref().map(|recipe| History::generate(recipe, self.rng(index, 6), created_at));
        let lines = history.as_ref().map(|history| history.rows.len() as i64);
        Run {
            name: format!("r{index:07}"),
            display_name: (!rare(&mut rng)).then(|| format!("{}-{}-{index}", rng.pick(&COLORS), rng.pick(&THINGS))),
            state: Some(state.to_owned()),
            created_at,
            heartbeat_at: (!rare(&mut rng)).then_some(alive),
            updated_at: Some(alive + 1_000_000),
            tags: Some(TAGS.iter().filter(|_| rng.percent(20)).map(|tag| (*tag).to_owned()).collect()),
            group: (!rng.percent(30)).then(|| format!("group-{}", rng.below(12))),
            job_type: (!rng.percent(20)).then(|| (*rng.pick(&["train", "eval", "sweep", "data"])).to_owned()),
            sweep: rng.percent(25).then(|| format!("sw{:06x}", rng.below(6) * 7_919)),
            notes: rng.percent(10).then(|| format!("tried \"{}\" again\nline two, ünïcode ☃", rng.below(100))),
            host: (!rare(&mut rng)).then(|| format!("node-{:02}", rng.below(32))),
            commit: rng.percent(70).then(|| format!("{:016x}{:016x}{:08x}", rng.next(), rng.next(), rng.next() >> 32)),
            user: (!(self.gaps && rng.percent(4))).then(|| rng.pick(users).clone()),
            config: (!rare(&mut rng)).then(|| self.config(index)),
            summary: (!rare(&mut rng)).then(|| self.summary(index, seconds, alive)),
            system_metrics: Some(format!(
                "{{\"system.cpu\":{:.2},\"system.gpu.0.gpu\":{:.1}}}",
                rng.unit() * 100.0,
                rng.unit() * 100.0
            )),
            history_rows: lines.or((!rare(&mut rng)).then(|| rng.below(5_000) as i64)),
            events: Arc::new(
                lines.map_or_else(Vec::new, |lines| events(lines as usize, self.rng(index, 7), created_at)),
            ),
            history: history.map(Arc::new),
            compute_seconds: seconds.floor(),
            outputs: Vec::new(),
            inputs: Vec::new(),
        }
    }

    /// The config as the server has it: every value wrapped.
    fn config(&self, index: usize) -> String {
        let mut rng = self.rng(index, 2);
        let mut out = String::from(
            "{\"_wandb\":{\"value\":{\"cli_version\":\"0.31.0\",\"t\":{\"1\":[1,5,53],\"4\":\"3.12.3\"}}}",
        );
        for key in 0..self.config_pool {
            if rng.percent(75) {
                write!(out, ",\"{}\":{{\"desc\":null,\"value\":{}}}", config_key(key), config_value(&mut rng, key))
                    .unwrap();
            }
        }
        out + ",\"wandb_version\":1}"
    }

    fn summary(&self, index: usize, seconds: f64, alive: i64) -> String {
        let mut rng = self.rng(index, 3);
        let (runtime, timestamp) = (seconds, alive as f64 / 1e6);
        let mut out = format!(
            "{{\"_step\":{},\"_runtime\":{runtime},\"_timestamp\":{timestamp},\"_wandb\":{{\"runtime\":{}}}",
            rng.below(5_000),
            seconds as i64
        );
        for key in 0..self.summary_pool {
            if rng.percent(75) {
                write!(out, ",\"{}\":{}", summary_key(key), summary_value(&mut rng, key)).unwrap();
            }
        }
        out + "}"
    }
}

const COLORS: [&str; 8] = ["amber", "brisk", "calm", "dusty", "eager", "fluffy", "grand", "hazy"];
const THINGS: [&str; 8] = ["cloud", "river", "stone", "falcon", "meadow", "ember", "harbor", "lantern"];
const TAGS: [&str; 5] = ["baseline", "prod", "debug", "paper", "long run"];
const CONFIG: [&str; 8] = ["learning_rate", "batch_size", "optimizer", "use_ema", "model", "layers", "seed", "dropout"];
const SUMMARY: [&str; 8] = ["loss", "accuracy", "epoch", "val/loss", "status", "grad", "best", "table"];

fn config_key(key: usize) -> String {
    if key < CONFIG.len() { CONFIG[key].to_owned() } else { format!("{}_{}", CONFIG[key % 8], key / 8) }
}

fn summary_key(key: usize) -> String {
    if key < SUMMARY.len() { SUMMARY[key].to_owned() } else { format!("{}_{}", SUMMARY[key % 8], key / 8) }
}

fn config_value(rng: &mut Rng, key: usize) -> String {
    match key % 8 {
        0 => format!("{:.6}", rng.unit() / 10.0),
        1 => (1usize << rng.below(10)).to_string(),
        2 => format!("\"{}\"", rng.pick(&["adam", "adamw", "sgd", "lion"])),
        3 => rng.percent(50).to_string(),
        4 => format!(
            "{{\"name\":\"{}\",\"dim\":{},\"rope\":{{\"base\":{}}}}}",
            rng.pick(&COLORS),
            64 << rng.below(5),
            rng.below(9)
        ),
        5 => format!("[{},{},{}]", rng.below(512), rng.below(512), rng.below(512)),
        // A number here, a text there.
        6 => {
            if rng.percent(80) {
                rng.below(100_000).to_string()
            } else {
                "\"auto\"".to_owned()
            }
        }
        _ => {
            if rng.percent(85) {
                format!("{:.3}", rng.unit())
            } else {
                "null".to_owned()
            }
        }
    }
}

fn summary_value(rng: &mut Rng, key: usize) -> String {
    let float = |rng: &mut Rng| match rng.below(50) {
        0 => "\"NaN\"".to_owned(),
        1 => "\"Infinity\"".to_owned(),
        _ => format!("{}", rng.unit() * 4.0),
    };
    match key % 8 {
        2 => rng.below(500).to_string(),
        4 => format!("\"{}\"", rng.pick(&["ok", "diverged", "plateau"])),
        6 if key % 16 == 6 => format!("{{\"min\":{},\"max\":{}}}", float(rng), float(rng)),
        7 if key == 7 => format!(
            "{{\"_type\":\"table-file\",\"path\":\"media/table/t_{}.table.json\",\"sha256\":\"{:016x}\",\"size\":{},\"ncols\":3,\"nrows\":{}}}",
            rng.below(100),
            rng.next(),
            rng.below(9_999),
            rng.below(500)
        ),
        7 if key == 15 => "{\"_type\":\"histogram\",\"bins\":[0,0.5,1],\"values\":[3,4]}".to_owned(),
        7 if key == 23 => {
            if rng.percent(70) {
                float(rng)
            } else {
                "\"n/a\"".to_owned()
            }
        }
        7 if key == 31 => "null".to_owned(),
        _ => float(rng),
    }
}

impl World {
    /// A world of one project.
    pub fn generate(recipe: &Recipe) -> World {
        let mut world = World { users: users(&recipe.entity), now: BEGIN, ..World::default() };
        world.grow(recipe);
        world
    }

    /// Adds a project, made by this recipe.
    pub fn grow(&mut self, recipe: &Recipe) {
        let mut times = recipe.rng(0, 9);
        let mut now = BEGIN;
        let mut runs = Vec::with_capacity(recipe.runs);
        for index in 0..recipe.runs {
            if !times.percent(recipe.ties) {
                now += 1 + (times.unit() * 240e6) as i64;
            }
            runs.push(recipe.run(index, now, &self.users));
        }
        let mut shop = Shop::new(recipe);
        runs.iter_mut().enumerate().for_each(|(index, run)| shop.stock(index, run));
        shop.point_latest(&mut runs);
        let newest = runs.iter().filter_map(|run| run.updated_at).max().unwrap_or(now);
        self.now = self.now.max(newest + 3_600_000_000);
        self.projects.push(Project {
            entity: recipe.entity.clone(),
            name: recipe.project.clone(),
            internal_id: 4_096 + self.projects.len() as u64,
            created_at: BEGIN,
            private: false,
            runs,
        });
    }
}

/// The first is the key's owner.
fn users(entity: &str) -> Vec<Arc<User>> {
    let one = |(at, name): (usize, &str)| User {
        username: (at != 5).then(|| name.to_lowercase()),
        name: format!("{name} Example"),
        email: Some(format!("{}@example.com", name.to_lowercase())),
        entity: Some(entity.to_owned()),
        teams: vec![entity.to_owned()],
        admin: false,
    };
    let names = ["Ada", "Ben", "Chen", "Dana", "Emil", "Fay", "Güven"];
    names.into_iter().enumerate().map(one).map(Arc::new).collect()
}

/// Makes artifact versions and numbers them.
struct Shop<'a> {
    recipe: &'a Recipe,
    next: HashMap<String, i64>,
    newest: HashMap<String, (usize, usize)>,
    datasets: Vec<Arc<Artifact>>,
}

impl<'a> Shop<'a> {
    fn new(recipe: &'a Recipe) -> Shop<'a> {
        let mut shop = Shop { recipe, next: HashMap::new(), newest: HashMap::new(), datasets: Vec::new() };
        for at in 0..DATASETS * VERSIONS {
            let mut rng = recipe.rng(at, 4);
            let mut made = shop.artifact(&format!("dataset-{}", at / VERSIONS), "dataset", BEGIN, &mut rng);
            if at % VERSIONS == VERSIONS - 1 {
                made.aliases.push(alias(&made, "latest"));
            }
            shop.datasets.push(Arc::new(made));
        }
        shop
    }

    fn stock(&mut self, index: usize, run: &mut Run) {
        let mut rng = self.recipe.rng(index, 5);
        for at in 0..self.recipe.artifacts {
            let (collection, kind) = match at % 5 {
                0 => (format!("model-{}", (index + at) % 20), "model"),
                1 => (format!("run-{}-table{at}", run.name), "run_table"),
                2 => (format!("eval-{}", (index + at) % 7), "evaluation"),
                _ => {
                    let artifact = Some(rng.pick(&self.datasets).clone());
                    run.inputs.push(Input { artifact, used_as: vec![format!("data{at}")] });
                    continue;
                }
            };
            let made = self.artifact(&collection, kind, run.created_at + 5_000_000, &mut rng);
            let lost = self.recipe.gaps && rng.percent(1);
            if !lost && made.version.is_some() {
                self.newest.insert(collection, (index, run.outputs.len()));
            }
            run.outputs.push((!lost).then(|| Arc::new(made)));
        }
    }

    fn artifact(&mut self, collection: &str, kind: &str, created_at: i64, rng: &mut Rng) -> Artifact {
        let pending = self.recipe.gaps && kind != "dataset" && rng.below(200) == 0;
        let version = (!pending).then(|| {
            let next = self.next.entry(collection.to_owned()).or_default();
            *next += 1;
            *next - 1
        });
        let mut made = Artifact {
            id: global_id(&["Artifact", &format!("{:08x}", rng.next() >> 32), collection]),
            collection: collection.to_owned(),
            entity: self.recipe.entity.clone(),
            project: self.recipe.project.clone(),
            kind: kind.to_owned(),
            version,
            state: if pending { "PENDING" } else { "COMMITTED" },
            description: rng.percent(10).then(|| "made by hand".to_owned()),
            metadata: Some(format!("{{\"score\":{:.4},\"step\":{}}}", rng.unit(), rng.below(900))),
            size: rng.below(1 << 33) as i64,
            files: 1 + rng.below(40) as i64,
            digest: format!("{:016x}{:016x}", rng.next(), rng.next()),
            created_at,
            aliases: Vec::new(),
            tags: Vec::new(),
            generated: kind == "run_table",
        };
        if let Some(version) = version {
            made.aliases.push(alias(&made, &format!("v{version}")));
        }
        if kind == "model" && rng.percent(10) {
            let registry = Alias {
                project: "wandb-registry-model".to_owned(),
                portfolio: true,
                visible: rng.percent(50),
                ..alias(&made, "production")
            };
            made.aliases.push(Alias { collection: "zoo".to_owned(), ..registry });
        }
        made
    }

    /// `latest` is the last version of each collection.
    fn point_latest(&self, runs: &mut [Run]) {
        for (run, output) in self.newest.values() {
            let made = Arc::make_mut(runs[*run].outputs[*output].as_mut().unwrap());
            made.aliases.push(alias(made, "latest"));
        }
    }
}

pub fn alias(of: &Artifact, name: &str) -> Alias {
    Alias {
        alias: name.to_owned(),
        collection: of.collection.clone(),
        entity: of.entity.clone(),
        project: of.project.clone(),
        portfolio: false,
        visible: true,
    }
}
