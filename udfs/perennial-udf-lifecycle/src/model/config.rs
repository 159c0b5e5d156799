//! Models as the configuration file writes them.

use std::{ops::Bound as Edge, time::Duration};

use perennial_base::config::{Bound, LifecycleConfig, StageCondition, StageConfig};

use super::{
    Bounds, Condition, Direction, Kind, Money, Span, StageModel, StageRule, SubscriptionState, Test, Windows,
};
use crate::error::{Error, Result};

impl StageModel {
    /// The model of `[lifecycle]`: the preset, or the stages that replace it, with the windows.
    ///
    /// # Errors
    /// As [`Self::try_new`] and [`Self::with_windows`], for a condition that is not of the language, and for a stage of
    /// the user's that no customer can be in ([`Self::unreachable_stages`]).
    pub fn from_config(config: &LifecycleConfig) -> Result<Self> {
        let model = Self::unjudged(config)?;
        match unreachable(&model, config).into_iter().next() {
            Some(error) => Err(error),
            None => Ok(model),
        }
    }

    /// All that [`Self::from_config`] would say of a configuration.
    pub fn problems(config: &LifecycleConfig) -> Vec<Error> {
        match Self::unjudged(config) {
            Ok(model) => unreachable(&model, config),
            Err(error) => vec![error],
        }
    }

    /// The same without looking for stages that no customer can be in.
    ///
    /// # Errors
    /// As [`Self::from_config`] for everything else.
    pub fn unjudged(config: &LifecycleConfig) -> Result<Self> {
        let model = if config.stages.is_empty() {
            Self::preset(&config.preset)?
        } else {
            let own: Vec<&str> = config.facts.iter().map(|fact| fact.name.as_str()).collect();
            Self::try_new(
                config
                    .stages
                    .iter()
                    .map(|written| stage(written, &own))
                    .collect::<Result<_>>()?,
            )?
        };
        model.with_windows(Windows {
            active: config.active.clone(),
            lapse: config.lapse.clone(),
        })
    }
}

/// The stages of the user's own that no customer can be in. A preset speaks of facts that not everybody maps.
fn unreachable(model: &StageModel, config: &LifecycleConfig) -> Vec<Error> {
    if config.stages.is_empty() {
        return Vec::new();
    }
    let mut unmapped = vec![Kind::Closing, Kind::Referral];
    unmapped.retain(|kind| config.facts.iter().all(|fact| Kind::of_fact(&fact.name) != *kind));
    model.unreachable(&unmapped)
}

fn stage(config: &StageConfig, own_facts: &[&str]) -> Result<StageRule> {
    let read = |written: &StageCondition| {
        Reader {
            stage: &config.name,
            written,
            own_facts,
        }
        .condition()
    };
    let mut conditions: Vec<Condition> = config.conditions.iter().map(read).collect::<Result<_>>()?;
    if !config.any.is_empty() {
        let group =
            |group: &Vec<StageCondition>| group.iter().map(read).collect::<Result<_>>().map(Condition::All);
        conditions.push(Condition::Any(
            config.any.iter().map(group).collect::<Result<_>>()?,
        ));
    }
    Ok(StageRule::new(config.name.clone(), conditions).written_at(config.at))
}

struct Reader<'a> {
    stage: &'a str,
    written: &'a StageCondition,
    /// The names of `[lifecycle.facts]`.
    own_facts: &'a [&'a str],
}

impl Reader<'_> {
    fn condition(&self) -> Result<Condition> {
        let test = match self.written.fact.as_str() {
            "orders" => Test::Orders(self.counts()?),
            "orders_within" => Test::OrdersWithin(self.span()?, self.counts()?),
            "revenue" => Test::Revenue(self.bounds(money)?),
            "revenue_within" => Test::RevenueWithin(self.span()?, self.bounds(money)?),
            "events" => Test::Count(self.event(), self.counts()?),
            "events_within" => Test::CountWithin(self.event(), self.span()?, self.counts()?),
            "referrals" => Test::Count(Kind::Referral, self.counts()?),
            "referrals_within" => Test::CountWithin(Kind::Referral, self.span()?, self.counts()?),
            "interactions" => Test::Count(Kind::Interaction, self.counts()?),
            "interactions_within" => Test::CountWithin(Kind::Interaction, self.span()?, self.counts()?),
            "silence" => Test::Silence(self.lengths()?),
            "tenure" => Test::Tenure(self.lengths()?),
            "nps_latest" => Test::NpsLatest(self.days()?, self.bounds(number)?),
            "csat_latest" => Test::CsatLatest(self.days()?, self.bounds(number)?),
            "subscription" => Test::Subscription(self.state()?),
            "mrr" => Test::Mrr(self.bounds(money)?),
            "mrr_moved_within" => Test::MrrMovedWithin(self.direction()?, self.span()?),
            "identified" => Test::Identified(self.truth()?),
            "returned_within" => Test::ReturnedWithin(self.ages()?),
            "restarted_within" => Test::RestartedWithin(self.ages()?),
            "closed" => Test::Closed(self.truth()?),
            own if self.own_facts.contains(&own) => {
                let kind = Kind::of_fact(own);
                match self.days()? {
                    Some(span) => Test::CountWithin(kind, span, self.counts()?),
                    None => Test::Count(kind, self.counts()?),
                }
            }
            _ => {
                return Err(Error::UnknownFact {
                    stage: self.stage.to_owned(),
                    fact: self.written.fact.clone(),
                    at: Some(self.written.at),
                });
            }
        };
        Ok(test.into())
    }

    fn wrong<T>(&self, what: &'static str) -> Result<T> {
        Err(Error::InvalidCondition {
            stage: self.stage.to_owned(),
            fact: self.written.fact.clone(),
            what,
            at: Some(self.written.at),
        })
    }

    /// Counts; no bound at all asks for at least one.
    fn counts(&self) -> Result<Bounds<u64>> {
        match self.any_bounds(count)? {
            (Edge::Unbounded, Edge::Unbounded) => Ok(Bounds::at_least(1)),
            (lower, upper) => Ok(Bounds::new(lower, upper)),
        }
    }

    fn bounds<T: Copy>(&self, read: fn(&Bound) -> Option<T>) -> Result<Bounds<T>> {
        match self.any_bounds(read)? {
            (Edge::Unbounded, Edge::Unbounded) => self.wrong("needs a bound such as at_least"),
            (lower, upper) => Ok(Bounds::new(lower, upper)),
        }
    }

    fn lengths(&self) -> Result<Bounds<Span>> {
        if self.written.equals.is_some() {
            return self
                .wrong("needs at_least or less_than: a length of time is never met to the microsecond");
        }
        self.bounds(length)
    }

    fn any_bounds<T: Copy>(&self, read: fn(&Bound) -> Option<T>) -> Result<(Edge<T>, Edge<T>)> {
        let written = self.written;
        let value = |bound: &Bound| match read(bound) {
            Some(value) => Ok(value),
            None => self.wrong("has a bound of another type"),
        };
        if let Some(equals) = &written.equals {
            let value = value(equals)?;
            return Ok((Edge::Included(value), Edge::Included(value)));
        }
        let lower = match (&written.at_least, &written.more_than) {
            (Some(_), Some(_)) => return self.wrong("has both at_least and more_than"),
            (Some(bound), None) => Edge::Included(value(bound)?),
            (None, Some(bound)) => Edge::Excluded(value(bound)?),
            (None, None) => Edge::Unbounded,
        };
        let upper = match (&written.at_most, &written.less_than) {
            (Some(_), Some(_)) => return self.wrong("has both at_most and less_than"),
            (Some(bound), None) => Edge::Included(value(bound)?),
            (None, Some(bound)) => Edge::Excluded(value(bound)?),
            (None, None) => Edge::Unbounded,
        };
        Ok((lower, upper))
    }

    fn days(&self) -> Result<Option<Span>> {
        match self.written.days.map(|days| length(&Bound::Number(days))) {
            Some(None) => self.wrong("has a number of days that is no length of time"),
            Some(span) => Ok(span),
            None => Ok(None),
        }
    }

    fn span(&self) -> Result<Span> {
        match self.days()? {
            Some(span) => Ok(span),
            None => self.wrong("needs a number of days"),
        }
    }

    /// `{ days = 30 }` and `"active"` are less than that; or bounds.
    fn ages(&self) -> Result<Bounds<Span>> {
        let written = self.written;
        match (&written.equals, self.days()?) {
            (Some(bound), None) => match length(bound) {
                Some(span) => Ok(Bounds::less_than(span)),
                None => self.wrong("needs a number of days, \"active\" or \"lapse\""),
            },
            (None, Some(span)) => match self.any_bounds(length)? {
                (Edge::Unbounded, Edge::Unbounded) => Ok(Bounds::less_than(span)),
                _ => self.wrong("has days beside a bound"),
            },
            (None, None) => self.bounds(length),
            (Some(_), Some(_)) => self.wrong("has days beside a bound"),
        }
    }

    fn event(&self) -> Kind {
        self.written.name.clone().map_or(Kind::AnyEvent, Kind::Event)
    }

    fn truth(&self) -> Result<bool> {
        match &self.written.equals {
            Some(Bound::Bool(truth)) => Ok(*truth),
            _ => self.wrong("must be true or false"),
        }
    }

    fn word(&self) -> Option<&str> {
        match &self.written.equals {
            Some(Bound::Word(word)) => Some(word),
            _ => None,
        }
    }

    fn state(&self) -> Result<SubscriptionState> {
        match self.word() {
            Some("active") => Ok(SubscriptionState::Active),
            Some("past_due") => Ok(SubscriptionState::PastDue),
            Some("trial") => Ok(SubscriptionState::Trial),
            Some("ended") => Ok(SubscriptionState::Ended),
            _ => self.wrong("must be \"active\", \"past_due\", \"trial\" or \"ended\""),
        }
    }

    fn direction(&self) -> Result<Direction> {
        match self.word() {
            Some("expansion") => Ok(Direction::Expansion),
            Some("contraction") => Ok(Direction::Contraction),
            _ => self.wrong("must equal \"expansion\" or \"contraction\""),
        }
    }
}

fn number(bound: &Bound) -> Option<f64> {
    match bound {
        Bound::Number(number) if number.is_finite() => Some(*number),
        _ => None,
    }
}

fn count(bound: &Bound) -> Option<u64> {
    number(bound)
        .filter(|n| *n >= 0.0 && n.fract() == 0.0)
        .map(|n| n as u64)
}

/// A number of units of the reporting currency, to ten-thousandths.
fn money(bound: &Bound) -> Option<Money> {
    number(bound).map(|n| (n * 10_000.0).round() as Money)
}

fn length(bound: &Bound) -> Option<Span> {
    match bound {
        Bound::Duration(length) => Some(Span::Lasting(*length)),
        Bound::Number(days) => Duration::try_from_secs_f64(days * 86_400.0)
            .ok()
            .map(Span::Lasting),
        Bound::Word(word) if word == "active" => Some(Span::Active),
        Bound::Word(word) if word == "lapse" => Some(Span::Lapse),
        Bound::Word(_) | Bound::Bool(_) => None,
    }
}
