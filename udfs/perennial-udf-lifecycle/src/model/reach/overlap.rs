//! What is allowed in a list of stages and was probably not meant.

use std::fmt::{self, Display, Formatter};
use std::ops::Bound;

use perennial_base::config::{LifecycleConfig, Spot};

use super::cover::covering;
use super::region::{Region, World, whole};
use crate::model::{Bounds, Condition, Span, StageModel, StageRule, Test};

/// What is in doubt about the stages of a configuration; its text begins with the place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StageDoubt {
    /// Two stages ask for ranges of the same facts which overlap, and of which neither lies in the other.
    Overlap {
        /// The later stage.
        stage: String,
        /// Where it stands.
        at: Option<Spot>,
        /// The earlier one, which takes the customers of both.
        before: String,
        /// Where it stands.
        before_at: Option<Spot>,
        /// What holds for the customers of both, in words.
        shared: String,
    },
    /// A preset beside stages that replace it.
    IdlePreset {
        /// The preset.
        preset: String,
        /// Where it stands.
        at: Spot,
    },
}

impl Display for StageDoubt {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overlap {
                stage,
                at,
                before,
                before_at,
                shared,
            } => {
                let place = at.map(|at| format!("{at}: ")).unwrap_or_default();
                let line = before_at
                    .map(|at| format!(" in line {}", at.line))
                    .unwrap_or_default();
                write!(
                    f,
                    "{place}lifecycle stage \"{stage}\" overlaps with \"{before}\"{line}: customers with {shared} are in \"{before}\", which comes first; let one range end where the other begins if that is not meant"
                )
            }
            Self::IdlePreset { preset, at } => write!(
                f,
                "{at}: preset = \"{preset}\" has no effect, as [[lifecycle.stage]] replaces its stages: take out one of the two"
            ),
        }
    }
}

impl StageModel {
    /// What is in doubt about the stages of a configuration that fits. A stage that lies in a later one is how an ordered
    /// list is written, and no overlap.
    pub fn doubts(config: &LifecycleConfig) -> Vec<StageDoubt> {
        let (Ok(model), false) = (Self::from_config(config), config.stages.is_empty()) else {
            return Vec::new();
        };
        let idle = config.preset_at.map(|at| StageDoubt::IdlePreset {
            preset: config.preset.clone(),
            at,
        });
        let world = World::of(model.windows(), &[]);
        let stages = model.stages();
        let pairs = stages
            .iter()
            .enumerate()
            .flat_map(|(at, stage)| (0..at).map(move |place| (place, stage)));
        let overlaps = pairs.filter_map(|(place, stage)| overlap(stages, place, stage, &world));
        idle.into_iter().chain(overlaps).collect()
    }
}

/// The doubt about a stage and the one at an earlier place, if they overlap where no stage before takes everybody.
fn overlap(stages: &[StageRule], place: usize, stage: &StageRule, world: &World) -> Option<StageDoubt> {
    let before = stages.get(place)?;
    let shared = shared(before, stage, world)?;
    let region = Region::of(&shared.iter().collect::<Vec<_>>(), world);
    let first = stages.iter().take(place);
    let first: Vec<Region> = first
        .filter_map(|stage| Some(Region::of(&tests(stage)?, world)))
        .collect();
    let first: Vec<(usize, &Region)> = first.iter().enumerate().collect();
    if region.empty(world) || covering(&region, &first, world).is_some() {
        return None;
    }
    let words: Vec<String> = shared.iter().map(ToString::to_string).collect();
    Some(StageDoubt::Overlap {
        stage: stage.name.clone(),
        at: stage.at,
        before: before.name.clone(),
        before_at: before.at,
        shared: words.join(" and "),
    })
}

/// The tests of a stage that asks for nothing else than all of them.
fn tests(stage: &StageRule) -> Option<Vec<&Test>> {
    let tests = stage.conditions.iter().map(|condition| match condition {
        Condition::Test(test) => Some(test),
        _ => None,
    });
    tests.collect()
}

/// What two stages share, if they ask for the same facts, overlap in at least one of them, and differ in no other way.
fn shared(one: &StageRule, other: &StageRule, world: &World) -> Option<Vec<Test>> {
    let (one, other) = (tests(one)?, tests(other)?);
    if one.len() != other.len() {
        return None;
    }
    let mut partly = false;
    let mut shared = Vec::new();
    for test in one {
        let mut same = other.iter().filter(|other| other.subject() == test.subject());
        let (Some(counterpart), None) = (same.next(), same.next()) else {
            return None;
        };
        if test == *counterpart {
            shared.push(test.clone());
        } else {
            shared.push(both(test, counterpart, world)?);
            partly = true;
        }
    }
    partly.then_some(shared)
}

/// What two tests of one fact both allow, when that is something and each allows more.
fn both(one: &Test, other: &Test, world: &World) -> Option<Test> {
    Some(match (one, other) {
        (Test::Orders(a), Test::Orders(b)) => Test::Orders(counts(a, b)?),
        (Test::OrdersWithin(span, a), Test::OrdersWithin(_, b)) => Test::OrdersWithin(*span, counts(a, b)?),
        (Test::Count(kind, a), Test::Count(_, b)) => Test::Count(kind.clone(), counts(a, b)?),
        (Test::CountWithin(kind, span, a), Test::CountWithin(_, _, b)) => {
            Test::CountWithin(kind.clone(), *span, counts(a, b)?)
        }
        (Test::Revenue(a), Test::Revenue(b)) => Test::Revenue(amounts(a, b)?),
        (Test::RevenueWithin(span, a), Test::RevenueWithin(_, b)) => {
            Test::RevenueWithin(*span, amounts(a, b)?)
        }
        (Test::Mrr(a), Test::Mrr(b)) => Test::Mrr(amounts(a, b)?),
        (Test::Silence(a), Test::Silence(b)) => Test::Silence(lengths(a, b, world)?),
        (Test::Tenure(a), Test::Tenure(b)) => Test::Tenure(lengths(a, b, world)?),
        _ => return None,
    })
}

/// The overlap of two ranges, when neither lies in the other.
fn part(one: (i128, i128), other: (i128, i128)) -> Option<(i128, i128)> {
    let (low, high) = (one.0.max(other.0), one.1.min(other.1));
    (low <= high && (low, high) != one && (low, high) != other).then_some((low, high))
}

fn bounds<T: Copy>((low, high): (i128, i128), number: impl Fn(i128) -> Option<T>) -> Bounds<T> {
    let bound = |value: i128| number(value).map_or(Bound::Unbounded, Bound::Included);
    Bounds::new(bound(low), bound(high))
}

fn counts(one: &Bounds<u64>, other: &Bounds<u64>) -> Option<Bounds<u64>> {
    let range = |bounds: &Bounds<u64>| {
        let (low, high) = whole(bounds.edges(), i128::from);
        (low.max(0), high)
    };
    let shared = part(range(one), range(other))?;
    Some(bounds(shared, |count| u64::try_from(count).ok()))
}

fn amounts(one: &Bounds<i128>, other: &Bounds<i128>) -> Option<Bounds<i128>> {
    let range = |bounds: &Bounds<i128>| whole(bounds.edges(), |amount| amount);
    let shared = part(range(one), range(other))?;
    let known = |amount: i128| (amount != i128::MIN && amount != i128::MAX).then_some(amount);
    Some(bounds(shared, known))
}

/// Of lengths that are the same for every customer.
fn lengths(one: &Bounds<Span>, other: &Bounds<Span>, world: &World) -> Option<Bounds<Span>> {
    let fixed = |span: Option<Span>, open: i128| match span {
        Some(span) => world.fixed(span).map(i128::from),
        None => Some(open),
    };
    let range = |bounds: &Bounds<Span>| {
        let (low, high) = (fixed(bounds.lower(), 0)?, fixed(bounds.upper(), i128::MAX)?);
        Some((low, high.saturating_sub(1)))
    };
    let (low, high) = part(range(one)?, range(other)?)?;
    let named = |wanted: i128| {
        let spans = [one.lower(), one.upper(), other.lower(), other.upper()];
        spans
            .into_iter()
            .flatten()
            .find(|span| world.fixed(*span).map(i128::from) == Some(wanted))
    };
    let bound = |span: Option<Span>| span.map_or(Bound::Unbounded, Bound::Included);
    Some(Bounds::new(
        bound(named(low)),
        bound(named(high.saturating_add(1))),
    ))
}
