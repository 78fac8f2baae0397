//! Random changes between requests, the same for the same seed.

use super::generate::Recipe;
use super::rng::Rng;
use super::world::World;

/// What may happen to a project before each request.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub seed: u64,
    pub entity: String,
    pub project: String,
    /// The most changes before one request.
    pub at_once: usize,
    /// After so many changes nothing more happens.
    pub total: usize,
    pub kinds: Vec<Change>,
}

/// One kind of change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A run that starts now.
    Insert,
    /// A run that was started long ago, offline, and is synced now.
    Sync,
    Delete,
    /// Another summary.
    Edit,
    Rename,
    /// A heartbeat, which moves it in every order but that of creation.
    Bump,
}

impl Schedule {
    /// All kinds of changes to the project of a recipe.
    pub fn new(seed: u64, recipe: &Recipe) -> Schedule {
        use Change::*;
        Schedule {
            seed,
            entity: recipe.entity.clone(),
            project: recipe.project.clone(),
            at_once: 3,
            total: 30,
            kinds: vec![Insert, Sync, Delete, Edit, Rename, Bump],
        }
    }

    /// For [`super::Server::on_request`].
    pub fn hook(self) -> impl FnMut(u64, &mut World) + Send + 'static {
        let mut rng = Rng::new(self.seed);
        let mut left = self.total;
        move |_, world| {
            let now = rng.below(self.at_once + 1).min(left);
            left -= now;
            (0..now).for_each(|_| self.step(&mut rng, world));
        }
    }

    fn step(&self, rng: &mut Rng, world: &mut World) {
        let (entity, project) = (self.entity.as_str(), self.project.as_str());
        let Some(runs) = world.project(entity, project).map(|project| &project.runs) else { return };
        let chosen = (!runs.is_empty()).then(|| runs[rng.below(runs.len())].clone());
        match (*rng.pick(&self.kinds), chosen) {
            (Change::Insert, _) => self.insert(rng, world, world.now),
            (Change::Sync, Some(near)) => self.insert(rng, world, near.created_at + rng.clone().below(3) as i64 - 1),
            (Change::Delete, Some(run)) => drop(world.delete(entity, project, &run.name)),
            (Change::Rename, Some(run)) => {
                world.rename(entity, project, &run.name, &format!("renamed-{}", rng.below(1_000)));
            }
            (Change::Bump, Some(run)) => {
                world.bump(entity, project, &run.name);
            }
            (Change::Edit, Some(run)) => {
                let summary = format!("{{\"loss\":{},\"_step\":{}}}", rng.unit(), rng.below(1_000));
                world.edit(entity, project, &run.name, |run| run.summary = Some(summary));
            }
            (_, None) => {}
        }
    }

    fn insert(&self, rng: &mut Rng, world: &mut World, created_at: i64) {
        let recipe = Recipe { seed: rng.next(), ..Recipe::small(0) };
        let mut run = recipe.run(0, created_at, &world.users);
        run.name = format!("n{:08x}", rng.next() >> 32);
        run.updated_at = None;
        world.insert(&self.entity, &self.project, run);
    }
}
