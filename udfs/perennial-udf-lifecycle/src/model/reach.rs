//! Stages that no customer can be in: their conditions exclude each other, or the stages before them take everybody.
//!
//! A stage is a list of regions, one for each way to fulfil its conditions; a region says what is allowed of each
//! quantity. What follows from a region by the meaning of the facts is added to it before it is compared. The judgement is
//! sound and not complete: a stage that is called unreachable is, and some that are not told of are too.

mod cover;
mod overlap;
mod region;

use super::{Condition, Kind, StageModel, StageRule, Test};
use crate::error::Error;

use cover::covering;
pub use overlap::StageDoubt;
use region::{Region, World};

/// A stage that can be fulfilled in more ways is not judged.
const MOST_REGIONS: usize = 64;

impl StageModel {
    /// What is wrong with the stages as a list: those that no customer can ever be in.
    pub fn unreachable_stages(&self) -> Vec<Error> {
        self.unreachable(&[])
    }

    /// The same where nobody has a fact of the kinds `unmapped`.
    pub(in crate::model) fn unreachable(&self, unmapped: &[Kind]) -> Vec<Error> {
        let world = World::of(&self.windows, unmapped);
        let mut problems = Vec::new();
        let mut before: Vec<(&StageRule, Vec<Region>)> = Vec::new();
        let judged = self.stages.split_last().map_or(&[][..], |(_, judged)| judged);
        for stage in judged {
            let Some(ways) = ways(&stage.conditions) else {
                continue;
            };
            let regions: Vec<Region> = ways
                .iter()
                .map(|tests| Region::of(tests, &world))
                .filter(|region| !region.empty(&world))
                .collect();
            if regions.is_empty() {
                let (why, unmapped) = why_empty(&ways, &world);
                problems.push(Error::NeverHolds {
                    stage: stage.name.clone(),
                    at: stage.at,
                    why,
                    unmapped,
                });
                continue;
            }
            if let Some(by) = takers(&regions, &before, &world) {
                problems.push(shadowed(stage, &regions, &by, &before, &world));
                continue;
            }
            before.push((stage, regions));
        }
        problems
    }
}

/// The conjunctions of tests of which one must hold; none when there are too many.
fn ways(conditions: &[Condition]) -> Option<Vec<Vec<&Test>>> {
    let mut all: Vec<Vec<&Test>> = vec![Vec::new()];
    for condition in conditions {
        let either = match condition {
            Condition::Test(test) => vec![vec![test]],
            Condition::All(conditions) => ways(conditions)?,
            Condition::Any(conditions) => {
                let mut either = Vec::new();
                for condition in conditions {
                    either.extend(ways(std::slice::from_ref(condition))?);
                }
                either
            }
        };
        if all.len().saturating_mul(either.len()) > MOST_REGIONS {
            return None;
        }
        all = all
            .iter()
            .flat_map(|first| {
                either
                    .iter()
                    .map(|second| first.iter().chain(second).copied().collect())
            })
            .collect();
    }
    Some(all)
}

/// The conditions that exclude each other, in words; and the name of the fact that one of them lacks.
fn why_empty(ways: &[Vec<&Test>], world: &World) -> (String, Option<&'static str>) {
    let empty = |tests: &[&Test]| Region::of(tests, world).empty(world);
    let Some(tests) = ways.first() else {
        return ("it has no way to hold".to_owned(), None);
    };
    if let Some(alone) = tests.iter().find(|test| empty(&[**test])) {
        let lacking = alone
            .kind()
            .filter(|kind| world.lacks(kind))
            .and_then(Kind::mapped_as);
        let why = match (alone, lacking) {
            (_, Some(name)) => format!(
                "{alone} never holds without the fact \"{name}\", which [lifecycle.facts] does not have"
            ),
            (Test::NpsLatest(..), None) => {
                format!("{alone} never holds, as answers are whole numbers from 0 to 10")
            }
            _ => format!("{alone} never holds"),
        };
        return (why, lacking);
    }
    for (at, first) in tests.iter().enumerate() {
        for second in tests.iter().skip(at + 1) {
            if empty(&[*first, *second]) {
                return (format!("{first} and {second} exclude each other"), None);
            }
        }
    }
    ("its conditions exclude each other".to_owned(), None)
}

/// The places of the earlier stages that together take everybody of these regions, or `None` if somebody may be left.
fn takers(regions: &[Region], before: &[(&StageRule, Vec<Region>)], world: &World) -> Option<Vec<usize>> {
    let mut takers: Vec<usize> = Vec::new();
    let earlier: Vec<(usize, &Region)> = before
        .iter()
        .enumerate()
        .flat_map(|(at, (_, regions))| regions.iter().map(move |region| (at, region)))
        .collect();
    // One stage that takes everybody makes the better message.
    let by_one = (0..before.len()).find(|stage| {
        regions.iter().all(|region| {
            let own = earlier.iter().filter(|(at, _)| at == stage);
            own.clone().any(|(_, other)| region.within(other, world))
        })
    });
    if let Some(stage) = by_one {
        return Some(vec![stage]);
    }
    for region in regions {
        let one = earlier.iter().find(|(_, other)| region.within(other, world));
        let places = match one {
            Some((at, _)) => vec![*at],
            None => covering(region, &earlier, world)?,
        };
        takers.extend(places);
    }
    takers.sort_unstable();
    takers.dedup();
    Some(takers)
}

fn shadowed(
    stage: &StageRule,
    regions: &[Region],
    by: &[usize],
    before: &[(&StageRule, Vec<Region>)],
    world: &World,
) -> Error {
    let takers: Vec<&(&StageRule, Vec<Region>)> = by.iter().filter_map(|at| before.get(*at)).collect();
    let twin = match takers.as_slice() {
        [(_, others)] => others
            .iter()
            .all(|other| regions.iter().any(|region| other.within(region, world))),
        _ => false,
    };
    Error::Shadowed {
        stage: stage.name.clone(),
        at: stage.at,
        before: takers
            .iter()
            .map(|(taker, _)| (taker.name.clone(), taker.at))
            .collect(),
        twin,
    }
}
