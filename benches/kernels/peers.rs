//! What the functions answer, written without them: plain loops over raw values, for the floor.

use crate::data::{Customer, DAY, Event, STEPS};

/// Texts behind each other in one buffer, each up to its end: no allocation for a row. Null is empty.
pub(crate) struct Packed {
    text: String,
    ends: Vec<usize>,
}

impl Packed {
    fn of(texts: &[Option<String>], write: impl Fn(&str, &mut String)) -> Self {
        let mut packed = Self {
            text: String::with_capacity(texts.len() * 32),
            ends: Vec::with_capacity(texts.len()),
        };
        for text in texts {
            if let Some(text) = text {
                write(text, &mut packed.text);
            }
            packed.ends.push(packed.text.len());
        }
        packed
    }

    /// The texts, for a comparison.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        let starts = [0].into_iter().chain(self.ends.iter().copied());
        starts
            .zip(&self.ends)
            .map(|(start, end)| self.text.get(start..*end))
    }
}

/// White space and case, and nothing else of what makes an address.
pub(crate) fn trimmed_lower(texts: &[Option<String>]) -> Packed {
    Packed::of(texts, |text, lowered| {
        let start = lowered.len();
        lowered.push_str(text.trim());
        if let Some(text) = lowered.get_mut(start..) {
            text.make_ascii_lowercase();
        }
    })
}

/// The first character and what follows the `@`.
pub(crate) fn masked(texts: &[Option<String>]) -> Packed {
    Packed::of(texts, |text, masked| {
        let (local, domain) = text.split_once('@').unwrap_or_default();
        masked.extend(local.chars().next());
        masked.push_str("***@");
        masked.push_str(domain);
    })
}

/// The default model as one chain of conditions.
pub(crate) fn stages(customers: &[Customer], as_of: i64) -> Vec<&'static str> {
    let stage = |customer: &Customer| {
        let (active, lapse) = (90 * DAY, 180 * DAY);
        let silence = customer.last_order_at.map(|at| as_of - at);
        match silence {
            _ if customer.closed => "terminated",
            Some(silence) if silence >= lapse => "lapsed",
            Some(silence) if silence >= active => "at_risk",
            None if customer.identified => "acquisition",
            None => "awareness",
            _ if customer.nps_latest >= Some(9.0) || customer.referrals_last_365_days >= 1 => "advocacy",
            _ if customer.orders >= 4 && customer.orders_last_365_days >= 3 => "loyalty",
            _ if customer.returned_at.is_some_and(|at| as_of - at < active) => "won_back",
            _ if customer.orders >= 2 => "retention",
            _ => "conversion",
        }
    };
    customers.iter().map(stage).collect()
}

/// Ten-thousandths by customers, half away from zero; spend is not negative.
pub(crate) fn cac(spend: &[i64], customers: &[i64]) -> Vec<Option<i64>> {
    let quotient = |(spend, customers): (&i64, &i64)| {
        (*customers > 0).then(|| spend / customers + i64::from(spend % customers * 2 >= *customers))
    };
    spend.iter().zip(customers).map(quotient).collect()
}

/// Promoters less detractors, and answers; no answer is not a number.
pub(crate) fn nps(scores: &[f64], groups: &[usize], count: usize) -> Vec<Option<f64>> {
    let mut counters = vec![(0_i64, 0_i64); count];
    for (score, group) in scores.iter().zip(groups) {
        if let Some((net, answers)) = counters.get_mut(*group) {
            *net += i64::from(*score >= 9.0) - i64::from(*score < 7.0);
            *answers += i64::from(!score.is_nan());
        }
    }
    let score = |(net, answers): (i64, i64)| (answers > 0).then(|| 100.0 * net as f64 / answers as f64);
    counters.into_iter().map(score).collect()
}

/// For each customer when the latest chain of each length began, in one pass over events that are in order of time, at
/// least those of each customer.
pub(crate) fn funnel(events: &[Event], customers: usize, window: i64) -> Vec<i64> {
    let mut chains = vec![[None::<i64>; STEPS]; customers];
    for event in events {
        let (Some(chain), Some(step)) = (chains.get_mut(event.customer), event.step) else {
            continue;
        };
        let began_at = match step.checked_sub(1) {
            None => Some(event.at),
            Some(before) => chain.get(before).copied().flatten(),
        };
        let within = began_at.filter(|began_at| event.at - began_at <= window);
        if let (Some(place), Some(began_at)) = (chain.get_mut(step), within) {
            *place = Some(began_at);
        }
    }
    let level = |chain: [Option<i64>; STEPS]| chain.iter().flatten().count() as i64;
    chains.into_iter().map(level).collect()
}

/// [`funnel`] of events in no order.
pub(crate) fn funnel_shuffled(events: &[Event], customers: usize, window: i64) -> Vec<i64> {
    let mut events = events.to_vec();
    events.sort_unstable_by_key(|event| (event.customer, event.at));
    funnel(&events, customers, window)
}

/// The sessions of partitions that are in order of time.
pub(crate) fn sessions(partitions: &[Vec<i64>], gap: i64) -> Vec<i64> {
    let mut sessions = Vec::with_capacity(partitions.iter().map(Vec::len).sum());
    for instants in partitions {
        let (mut session, mut last) = (1, instants.first().copied().unwrap_or(0));
        for at in instants {
            session += i64::from(at - last > gap);
            last = *at;
            sessions.push(session);
        }
    }
    sessions
}

/// [`sessions`] of partitions in no order.
pub(crate) fn sessions_shuffled(partitions: &[Vec<i64>], gap: i64) -> Vec<i64> {
    let numbered = |instants: &Vec<i64>| {
        let mut rows: Vec<(i64, usize)> = instants.iter().copied().zip(0..).collect();
        rows.sort_unstable();
        let (ordered, rows): (Vec<i64>, Vec<usize>) = rows.into_iter().unzip();
        let mut answer = vec![0; instants.len()];
        for (session, row) in sessions(&[ordered], gap).into_iter().zip(rows) {
            if let Some(place) = answer.get_mut(row) {
                *place = session;
            }
        }
        answer
    };
    partitions.iter().flat_map(numbered).collect()
}

/// The formula as the paper prints it, which overflows where the kernel's logarithms do not.
pub(crate) fn p_alive([r, alpha, a, b]: [f64; 4], histories: &[[f64; 3]]) -> Vec<f64> {
    let p_alive = |[x, t_x, age]: &[f64; 3]| {
        if *x == 0.0 {
            return 1.0;
        }
        1.0 / (1.0 + a / (b + x - 1.0) * ((alpha + age) / (alpha + t_x)).powf(r + x))
    };
    histories.iter().map(p_alive).collect()
}
