//! The stage model: which stage a customer is in at a moment, by rules over the facts known then.
//!
//! A model is a list of stages; the first whose condition holds is the customer's. Every fact changes only when a
//! record arrives or a window runs out, so all moments of change are known exactly, and nothing is sampled.
//! A day of a window is 24 hours. `silence ≥ window` leaves the stage, so the next stage is entered at the last
//! order's instant plus the window.
//!
//! ```text
//! let model = StageModel::default_model();
//! let intervals = history(&model, &facts, now);     // all of a customer's stages
//! let stage = stage_at(&model, &facts, moment);     // one moment
//! ```

mod condition;
mod config;
mod explain;
mod facts;
mod history;
mod ledger;
mod moment;
mod orders;
mod population;
mod preset;
mod reach;
mod subscriptions;
#[cfg(test)]
mod tests;
mod words;

use std::{sync::Arc, time::Duration};

use perennial_base::config::Spot;
pub use perennial_base::config::Window;

pub use self::{
    condition::{Bounds, Condition, Direction, Kind, Span, SubscriptionState, Test, days},
    explain::{ExplainedRule, ExplainedTest, ExplainedWindow, Explanation},
    facts::{
        Answer, CustomerFacts, Facts, KindId, Money, NamedFact, OrderVersion, Refund, Score,
        SubscriptionChange, SubscriptionStatus,
    },
    history::{Evaluator, Interval, Reason, history, stage_at},
    population::{PopulationGaps, PopulationGapsBuilder},
    preset::PRESETS,
    reach::StageDoubt,
};
use crate::error::{Error, Result};

/// A stage and what must hold for it.
#[derive(Debug, Clone, PartialEq)]
pub struct StageRule {
    /// The stage's name.
    pub name: String,
    /// Joined by AND; none takes everybody.
    pub conditions: Vec<Condition>,
    /// Where it stands in the configuration that it was read from.
    pub at: Option<Spot>,
}

impl StageRule {
    /// A stage for customers who fulfil all `conditions`.
    pub fn new(name: impl Into<String>, conditions: impl IntoIterator<Item = Condition>) -> Self {
        Self {
            name: name.into(),
            conditions: conditions.into_iter().collect(),
            at: None,
        }
    }

    /// The same stage, as written at this place of the configuration.
    pub fn written_at(mut self, at: Spot) -> Self {
        self.at = Some(at);
        self
    }
}

/// The two named windows of silence.
#[derive(Debug, Clone, PartialEq)]
pub struct Windows {
    /// Silence below which a customer is active; 90 days by default.
    pub active: Window,
    /// Silence from which a customer has lapsed; 180 days by default.
    pub lapse: Window,
}

impl Default for Windows {
    fn default() -> Self {
        Self {
            active: Window::Fixed(days(90)),
            lapse: Window::Fixed(days(180)),
        }
    }
}

/// A list of stages with the windows that its rules speak of.
#[derive(Debug, Clone)]
pub struct StageModel {
    stages: Vec<StageRule>,
    windows: Windows,
    population: Arc<PopulationGaps>,
    /// Every test of every rule, in order of appearance.
    leaves: Vec<Leaf>,
    /// The rules over the numbers of the leaves.
    rules: Vec<Rule>,
    kinds: Vec<Kind>,
}

/// A test with the number of its kind of facts.
#[derive(Debug, Clone)]
struct Leaf {
    test: Test,
    kind: KindId,
}

#[derive(Debug, Clone)]
enum Rule {
    All(Vec<Self>),
    Any(Vec<Self>),
    Leaf(usize),
}

impl StageModel {
    /// The model of `stages`, in order, with the default windows.
    ///
    /// # Errors
    /// Without stages, with two of one name, or when not exactly the last one takes everybody.
    pub fn try_new(stages: Vec<StageRule>) -> Result<Self> {
        let Some((last, before)) = stages.split_last() else {
            return Err(Error::NoStages);
        };
        let unconditional = |stage: &StageRule| stage.conditions.iter().all(Condition::empty);
        if !unconditional(last) {
            return Err(Error::NoDefault {
                stage: last.name.clone(),
                at: last.at,
            });
        }
        for (at, stage) in before.iter().enumerate() {
            let mut after = stages.iter().skip(at + 1);
            if let Some(other) = after.find(|other| other.name == stage.name) {
                return Err(Error::DuplicateStage {
                    stage: stage.name.clone(),
                    at: other.at,
                });
            }
            if unconditional(stage) {
                let next = stages.get(at + 1).unwrap_or(last);
                return Err(Error::Unreachable {
                    stage: next.name.clone(),
                    before: stage.name.clone(),
                    at: next.at,
                });
            }
        }
        Ok(Self::compile(stages))
    }

    /// The default model: terminated, lapsed, at_risk, advocacy, loyalty, won_back, retention, conversion,
    /// acquisition, awareness.
    pub fn default_model() -> Self {
        Self::compile(preset::default())
    }

    /// A model that ships, by its name in [`PRESETS`].
    ///
    /// # Errors
    /// When there is no preset of that name.
    pub fn preset(name: &str) -> Result<Self> {
        let stages = preset::stages(name).ok_or_else(|| Error::UnknownPreset {
            preset: name.to_owned(),
        })?;
        Ok(Self::compile(stages))
    }

    /// The same stages with other windows.
    ///
    /// # Errors
    /// When an adaptive window has a multiple that is not a positive number, or a minimum above its maximum.
    pub fn with_windows(mut self, windows: Windows) -> Result<Self> {
        check_window("active", &windows.active)?;
        check_window("lapse", &windows.lapse)?;
        self.windows = windows;
        Ok(self)
    }

    /// The same model with the population's gaps, which adaptive windows take for customers with fewer than three
    /// orders. Without any, such a customer's window is its maximum: nobody is called silent before there is evidence.
    pub fn with_population(mut self, population: PopulationGaps) -> Self {
        self.population = Arc::new(population);
        self
    }

    /// The stages, in the order in which they are tried.
    pub fn stages(&self) -> &[StageRule] {
        &self.stages
    }

    /// The name of a stage by its place in [`Self::stages`].
    pub fn stage_name(&self, stage: usize) -> Option<&str> {
        self.stages.get(stage).map(|stage| stage.name.as_str())
    }

    /// The windows.
    pub fn windows(&self) -> &Windows {
        &self.windows
    }

    /// The kinds of named facts that the model asks for: the place of a kind is its [`KindId`].
    pub fn kinds(&self) -> &[Kind] {
        &self.kinds
    }

    /// The number of a kind, or `None` when the model does not ask for it and its facts need not be collected.
    pub fn kind(&self, kind: &Kind) -> Option<KindId> {
        let at = self.kinds.iter().position(|known| known == kind)?;
        u16::try_from(at).ok().map(KindId)
    }

    /// Whether a window depends on gaps between orders, so that [`Self::with_population`] matters.
    pub fn adaptive(&self) -> bool {
        [&self.windows.active, &self.windows.lapse]
            .iter()
            .any(|w| matches!(w, Window::Adaptive { .. }))
    }

    /// The stage, by its place in [`Self::stages`], of a customer with these facts.
    pub fn stage_of(&self, facts: &impl Facts) -> usize {
        self.first(|leaf| {
            self.leaves
                .get(leaf)
                .is_some_and(|leaf| leaf.test.holds(leaf.kind, facts))
        })
    }

    /// The first stage that holds, given the answers to the tests.
    fn first(&self, leaf: impl Fn(usize) -> bool) -> usize {
        self.rules
            .iter()
            .position(|rule| rule.holds(&leaf))
            .unwrap_or(self.rules.len() - 1)
    }

    fn asks(&self, asked: impl Fn(&Test) -> bool) -> bool {
        self.leaves.iter().any(|leaf| asked(&leaf.test))
    }

    fn compile(stages: Vec<StageRule>) -> Self {
        let mut model = Self {
            stages: Vec::new(),
            windows: Windows::default(),
            population: Arc::default(),
            leaves: Vec::new(),
            rules: Vec::new(),
            kinds: Vec::new(),
        };
        model.rules = stages
            .iter()
            .map(|stage| Rule::All(model.compile_all(&stage.conditions)))
            .collect();
        model.stages = stages;
        model
    }

    fn compile_all(&mut self, conditions: &[Condition]) -> Vec<Rule> {
        conditions
            .iter()
            .map(|condition| match condition {
                Condition::All(conditions) => Rule::All(self.compile_all(conditions)),
                Condition::Any(conditions) => Rule::Any(self.compile_all(conditions)),
                Condition::Test(test) => Rule::Leaf(self.leaf(test)),
            })
            .collect()
    }

    fn leaf(&mut self, test: &Test) -> usize {
        if let Some(at) = self.leaves.iter().position(|leaf| leaf.test == *test) {
            return at;
        }
        let kind = test.kind().map_or(KindId::default(), |kind| {
            self.kind(kind).unwrap_or_else(|| {
                self.kinds.push(kind.clone());
                self.kind(kind).unwrap_or_default()
            })
        });
        self.leaves.push(Leaf {
            test: test.clone(),
            kind,
        });
        self.leaves.len() - 1
    }
}

impl Default for StageModel {
    fn default() -> Self {
        Self::default_model()
    }
}

impl Rule {
    fn holds(&self, leaf: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::All(rules) => rules.iter().all(|rule| rule.holds(leaf)),
            Self::Any(rules) => rules.iter().any(|rule| rule.holds(leaf)),
            Self::Leaf(at) => leaf(*at),
        }
    }

    /// The first leaf of the rule for which `wanted` holds.
    fn find(&self, wanted: &impl Fn(usize) -> bool) -> Option<usize> {
        match self {
            Self::All(rules) | Self::Any(rules) => rules.iter().find_map(|rule| rule.find(wanted)),
            Self::Leaf(at) => wanted(*at).then_some(*at),
        }
    }
}

/// The length of a window in microseconds, given the customer's own median gap or the population's.
fn window_length(window: &Window, gap: impl FnOnce() -> Option<i64>) -> i64 {
    let micros = |duration: &Duration| condition::micros(*duration);
    match window {
        Window::Fixed(length) => micros(length),
        Window::Adaptive {
            gap_multiple,
            min,
            max,
        } => match gap() {
            // A gap fits a float exactly up to 285 years; a cast saturates.
            Some(gap) => ((gap as f64 * gap_multiple).round() as i64)
                .min(micros(max))
                .max(micros(min)),
            None => micros(max),
        },
    }
}

fn check_window(name: &'static str, window: &Window) -> Result<()> {
    let wrong = |what| Err(Error::InvalidWindow { window: name, what });
    match window {
        Window::Adaptive { gap_multiple, .. } if !(gap_multiple.is_finite() && *gap_multiple > 0.0) => {
            wrong("gap_multiple must be a positive number")
        }
        Window::Adaptive { min, max, .. } if min > max => wrong("min is longer than its max"),
        _ => Ok(()),
    }
}
